"""Encoded pairs to the arrays that a model reads: padded to a rectangle, or packed into one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bentorank.types import EncodedPair


@dataclass(frozen=True, slots=True)
class PaddedBatch:
    """Three int64 arrays of shape (pairs, width), padded on the right; segments where there are any."""

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    token_type_ids: NDArray[np.int64] | None

    def as_inputs(self) -> dict[str, NDArray[np.int64]]:
        """By the names that models give their inputs."""
        inputs = {"input_ids": self.input_ids, "attention_mask": self.attention_mask}
        if self.token_type_ids is not None:
            inputs["token_type_ids"] = self.token_type_ids
        return inputs


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """All pairs in one row: int64 arrays of shape (1, tokens), no padding; segments where there are any.

    Pair number i is at `bounds[i]` up to `bounds[i + 1]`; `bounds` is int32 of shape (pairs + 1,).
    """

    input_ids: NDArray[np.int64]
    position_ids: NDArray[np.int64]
    token_type_ids: NDArray[np.int64] | None
    bounds: NDArray[np.int32]

    def as_inputs(self) -> dict[str, NDArray[np.int64]]:
        """By the names that models give their inputs."""
        inputs = {"input_ids": self.input_ids, "position_ids": self.position_ids}
        if self.token_type_ids is not None:
            inputs["token_type_ids"] = self.token_type_ids
        return inputs


def longest(batch: Sequence[EncodedPair]) -> int:
    """Tokens of the longest pair."""
    return max(pair.length for pair in batch)


def pad(batch: Sequence[EncodedPair], pad_token_id: int, *, width: int | None = None) -> PaddedBatch:
    """Stack a batch, padding every pair to `width` tokens, by default those of the longest pair."""
    assert batch, "bug: an empty batch reached the engine"
    lengths = np.array([len(pair.input_ids) for pair in batch])
    shape = (len(batch), width or int(lengths.max()))
    attention_mask = (np.arange(shape[1]) < lengths[:, None]).astype(np.int64)
    input_ids = np.full(shape, pad_token_id, dtype=np.int64)
    for row, pair in zip(input_ids, batch, strict=True):
        row[: len(pair.input_ids)] = pair.input_ids
    if batch[0].token_type_ids is None:
        return PaddedBatch(input_ids, attention_mask, None)
    token_type_ids = np.zeros(shape, dtype=np.int64)
    for row, pair in zip(token_type_ids, batch, strict=True):
        if pair.token_type_ids is not None:
            row[: len(pair.token_type_ids)] = pair.token_type_ids
    return PaddedBatch(input_ids, attention_mask, token_type_ids)


def pack(batch: Sequence[EncodedPair], *, counted_after: int | None = None) -> PackedBatch:
    """Join a batch into one row. Positions are counted from 0 in each pair, or as RoBERTa does, after its padding id.

    RoBERTa counts no token that has the padding id, which a text may contain literally.
    """
    assert batch, "bug: an empty batch reached the engine"
    row = np.concatenate([pair.input_ids for pair in batch])
    segments = [pair.token_type_ids for pair in batch if pair.token_type_ids is not None]
    bounds = np.cumsum([0, *[len(pair.input_ids) for pair in batch]], dtype=np.int32)
    return PackedBatch(
        input_ids=row[None],
        position_ids=_positions(row, bounds, counted_after)[None],
        token_type_ids=np.concatenate(segments)[None] if segments else None,
        bounds=bounds,
    )


def _positions(row: NDArray[np.int64], bounds: NDArray[np.int32], counted_after: int | None) -> NDArray[np.int64]:
    starts = np.repeat(bounds[:-1], np.diff(bounds))
    if counted_after is None:
        return np.arange(len(row)) - starts
    counts = row != counted_after
    counted = np.concatenate([[0], np.cumsum(counts)])
    positions: NDArray[np.int64] = (counted[1:] - counted[starts]) * counts + counted_after
    return positions
