"""Which pairs go into the next forward pass. Pure: no clock, no lock, no I/O.

One request anchors the batch: the first in the order of fairness. Its longest pending pairs come first, so that the
batch is padded little; room that it leaves is filled with pairs of other requests, still in order of fairness. Where
the engine computes no padding, any lengths may share a batch.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from operator import neg
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


# Below this many times what starting a pass costs, passes are not made shorter to occupy more streams.
_SMALLEST_SHARE_OVERHEADS = 8


@dataclass(frozen=True, slots=True)
class BatchBudget:
    """Bounds of one forward pass, in tokens (see SchedulerLimits)."""

    max_batch_tokens: int
    forward_overhead_tokens: int
    padding_free: bool = False

    def for_one_of(self, streams: int, queued_tokens: int) -> BatchBudget:
        """For the next pass of one of `streams` that share `queued_tokens`.

        All of the budget while there is plenty, then an equal share, so that no stream idles beside one with all the
        work.
        """
        if streams == 1:
            return self
        smallest = _SMALLEST_SHARE_OVERHEADS * self.forward_overhead_tokens
        share = max(smallest, queued_tokens // streams, 1)
        return replace(self, max_batch_tokens=min(self.max_batch_tokens, share))


@dataclass(frozen=True, slots=True)
class Slice:
    """A run of one request's pending pairs: positions [start, stop) of its lengths."""

    request: int
    start: int
    stop: int


def plan_batch(pending: Sequence[Sequence[int]], budget: BatchBudget) -> list[Slice]:
    """Choose the pairs of the next batch.

    `pending` holds, for each request in order of fairness, the token lengths of its unscored pairs in descending
    order; none is empty. The first request always gets at least its longest pair in, even one longer than the budget.
    """
    if not pending:
        return []
    anchor = pending[0]
    longest = anchor[0]
    room = _PackedRoom(longest, budget) if budget.padding_free else _PaddedRoom(longest, budget)
    taken = _take_prefix(anchor, room)
    batch = [Slice(0, 0, taken)]
    if taken < len(anchor):
        return batch
    for request, lengths in enumerate(pending[1:], start=1):
        if room.is_full:
            break
        start = _first_not_longer(lengths, room.longest_welcome)
        stop = start + _take_prefix(lengths[start:], room)
        if stop > start:
            batch.append(Slice(request, start, stop))
    return batch


class _PaddedRoom:
    """What is left of the budget of a batch that is padded to `longest` tokens a pair."""

    def __init__(self, longest: int, budget: BatchBudget) -> None:
        self.longest_welcome = longest
        self._pairs_left = max(1, budget.max_batch_tokens // longest)
        self._padding_left = budget.forward_overhead_tokens

    @property
    def is_full(self) -> bool:
        return self._pairs_left == 0

    def admit(self, length: int) -> bool:
        """Take a pair in, unless the batch is full or its padding would cost more than a pass of its own."""
        padding = self.longest_welcome - length
        if self.is_full or padding > self._padding_left:
            return False
        self._pairs_left -= 1
        self._padding_left -= padding
        return True


class _PackedRoom:
    """What is left of the budget of a batch without padding, whose first pair has `longest` tokens."""

    def __init__(self, longest: int, budget: BatchBudget) -> None:
        self._tokens_left = max(longest, budget.max_batch_tokens)

    @property
    def is_full(self) -> bool:
        return self._tokens_left == 0

    @property
    def longest_welcome(self) -> int:
        return self._tokens_left

    def admit(self, length: int) -> bool:
        """Take a pair in if it still fits."""
        if length > self._tokens_left:
            return False
        self._tokens_left -= length
        return True


def _take_prefix(lengths: Sequence[int], room: _PaddedRoom | _PackedRoom) -> int:
    taken = 0
    for length in lengths:
        if not room.admit(length):
            break
        taken += 1
    return taken


def _first_not_longer(lengths: Sequence[int], longest: int) -> int:
    """Index of the first of the descending `lengths` that does not exceed `longest`."""
    return bisect_left(lengths, -longest, key=neg)
