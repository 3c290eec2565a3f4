"""Encoded pairs to the arrays that a model reads: padded to a rectangle, or packed into one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bentorank.engines.encoded_pairs import as_encoded_pairs

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
    return max(as_encoded_pairs(batch).lengths)


def pad(batch: Sequence[EncodedPair], pad_token_id: int, *, width: int | None = None) -> PaddedBatch:
    """Stack a batch, padding every pair to `width` tokens, by default those of the longest pair."""
    assert batch, "bug: an empty batch reached the engine"
    pairs = as_encoded_pairs(batch)
    lengths = np.array(pairs.lengths)
    shape = (len(pairs), width or int(lengths.max()))
    is_token = np.arange(shape[1]) < lengths[:, None]
    input_ids, token_type_ids = pairs.row()
    return PaddedBatch(
        _spread(input_ids, is_token, pad_token_id),
        is_token.astype(np.int64),
        None if token_type_ids is None else _spread(token_type_ids, is_token, 0),
    )


def _spread(row: NDArray[np.int64], is_token: NDArray[np.bool_], padding: int) -> NDArray[np.int64]:
    """What stands in a row, in the places of tokens."""
    spread = np.full(is_token.shape, padding, np.int64)
    spread[is_token] = row
    return spread


def pack(batch: Sequence[EncodedPair], *, counted_after: int | None = None) -> PackedBatch:
    """Join a batch into one row. Positions are counted from 0 in each pair, or as RoBERTa does, after its padding id.

    RoBERTa counts no token that has the padding id, which a text may contain literally.
    """
    assert batch, "bug: an empty batch reached the engine"
    pairs = as_encoded_pairs(batch)
    input_ids, token_type_ids = pairs.row()
    bounds = np.cumsum([0, *pairs.lengths], dtype=np.int32)
    return PackedBatch(
        input_ids=input_ids[None],
        position_ids=_positions(input_ids, bounds, counted_after)[None],
        token_type_ids=None if token_type_ids is None else token_type_ids[None],
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
