"""Attention of a causal row on a CPU: by torch's own for rectangles, on stretches of about one length."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from bentorank.engines.torch.transfers import upload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from bentorank.engines.torch.causal_rows import CausalRow, Stretch
    from bentorank.engines.torch.known_heads import HeadKeys

# Stretches whose lengths differ by less are padded to one another where they attend: a call costs more than that.
_LENGTH_STEP: Final = 64
# So many queries are computed with the keys up to the last one's: all with all would be twice the work of long ones.
_QUERY_STEP: Final = 256


class _Block:
    """Stretches as a rectangle: the rows of its `queries` and of its `keys`, shape (stretches, longest).

    All heads in it are of one length, and padding is behind every stretch, so that one mask does for all.
    """

    def __init__(self, queries: Tensor, keys: Tensor) -> None:
        self.queries, self._keys = queries, keys
        # By window: of layers, the one has what the other had.
        self._steps: dict[int | None, list[_Step]] = {}

    def attend(self, query: Tensor, key: Tensor, value: Tensor, *, scale: float, window: int | None) -> Tensor:
        """Shape (stretches × longest, heads, width)."""
        query, key, value = (
            states[rows].transpose(1, 2)
            for states, rows in ((query, self.queries), (key, self._keys), (value, self._keys))
        )
        if window not in self._steps:
            self._steps[window] = list(self._planned(window))
        attended = [
            scaled_dot_product_attention(
                query[:, :, step.queries],
                key[:, :, step.keys],
                value[:, :, step.keys],
                attn_mask=step.seen,
                scale=scale,
                enable_gqa=query.shape[1] != key.shape[1],
            )
            for step in self._steps[window]
        ]
        return torch.cat(attended, 2).transpose(1, 2).flatten(0, 1)

    def _planned(self, window: int | None) -> Iterator[_Step]:
        longest, head = self.queries.shape[1], self._keys.shape[1] - self.queries.shape[1]
        for first in range(0, longest, _QUERY_STEP):
            last = min(first + _QUERY_STEP, longest)
            oldest = 0 if window is None else max(0, head + first - window + 1)
            own = head + first - oldest  # the key of the first query, among those of the step
            seen = torch.ones(last - first, head + last - oldest, dtype=torch.bool, device=self._keys.device).tril(own)
            seen = seen if window is None else seen.triu(own - window + 1)
            yield _Step(slice(first, last), slice(oldest, head + last), seen)


@dataclass(frozen=True, slots=True)
class _Step:
    """Some of a block's queries, and the keys that any of them sees: which of these each, shape (queries, keys)."""

    queries: slice
    keys: slice
    seen: Tensor


class BlockAttention:
    """By torch's attention for rectangles, one for stretches of about one length with heads of one length."""

    def __init__(self, row: CausalRow, device: torch.device) -> None:
        groups: dict[tuple[int, int], list[Stretch]] = defaultdict(list)
        for stretch in row.stretches:
            groups[stretch.head_length, -(-stretch.length // _LENGTH_STEP)].append(stretch)
        self._blocks = [_block(group, row.known_tokens, device) for group in groups.values()]
        # Where each token of the row is among what the blocks give.
        places = np.empty(len(row.input_ids), np.int64)
        before = 0
        for block, group in zip(self._blocks, groups.values(), strict=True):
            longest = block.queries.shape[1]
            for number, stretch in enumerate(group):
                first = before + number * longest
                places[stretch.start : stretch.start + stretch.length] = np.arange(first, first + stretch.length)
            before += block.queries.numel()
        self._places = upload({"places": places}, device)["places"]

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, *, scale: float, window: int | None) -> Tensor:
        """From queries of shape (tokens, heads, width), and keys and values of the known heads and the row."""
        attended = [block.attend(query, key, value, scale=scale, window=window) for block in self._blocks]
        return torch.cat(attended)[self._places]


def _block(stretches: Sequence[Stretch], known_tokens: int, device: torch.device) -> _Block:
    longest = max(stretch.length for stretch in stretches)
    # Padding repeats what is there, and is seen by padding alone.
    queries = np.array([_padded(_queries_of(stretch), longest) for stretch in stretches])
    keys = np.array([_padded(_keys_of(stretch, known_tokens), stretch.head_length + longest) for stretch in stretches])
    inputs = upload({"queries": queries, "keys": keys}, device)
    return _Block(inputs["queries"], inputs["keys"])


def _queries_of(stretch: Stretch) -> np.ndarray[Any, Any]:
    return np.arange(stretch.start, stretch.start + stretch.length)


def _keys_of(stretch: Stretch, known_tokens: int) -> np.ndarray[Any, Any]:
    head = np.arange(stretch.head_start, stretch.head_start + stretch.head_length)
    return np.concatenate([head, known_tokens + _queries_of(stretch)])


def _padded(rows: np.ndarray[Any, Any], length: int) -> np.ndarray[Any, Any]:
    return np.pad(rows, (0, length - len(rows)), mode="edge")


@dataclass(frozen=True, slots=True)
class BlockPass:
    """One pass of a row: how it attends, and the keys and values of the heads, by layer."""

    attention: BlockAttention
    heads: HeadKeys

    def attend(  # noqa: PLR0913 - as RowPass has it
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, *, scale: float, window: int | None
    ) -> Tensor:
        """As RowPass has it; keys and values are the row's own."""
        key, value = self.heads.completed(layer, key, value)
        return self.attention(query, key, value, scale=scale, window=window)
