"""Which pairs go into the next forward pass. Pure: no clock, no lock, no I/O.

One request anchors the batch: the first in the order of fairness. Its longest pending pairs come first, and only what
is padded to the same width, so that they cost no padding; what room they leave is filled with pairs of that width of
its companions, the requests that are due about as soon. Then pairs may be padded a little: more of the anchor's, and
once all of those are in, other requests', in order of fairness. Where the engine computes no padding, any lengths may
share a batch.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from operator import neg
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


# Below this many times what starting a pass costs, passes are not made shorter to occupy more streams.
_SMALLEST_SHARE_OVERHEADS = 8


def _as_long_as_it_is(length: int) -> int:
    return length


@dataclass(frozen=True, slots=True)
class BatchBudget:
    """Bounds of one forward pass, in tokens (see SchedulerLimits), and the width that the engine pads a length to."""

    max_batch_tokens: int
    forward_overhead_tokens: int
    padding_free: bool = False
    padded_width: Callable[[int], int] = _as_long_as_it_is

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


def plan_batch(pending: Sequence[Sequence[int]], budget: BatchBudget, companions: int = 0) -> list[Slice]:
    """Choose the pairs of the next batch.

    `pending` holds, for each request in order of fairness, the token lengths of its unscored pairs in descending
    order; none is empty. So many `companions` come next after the first request: their pairs may go before its
    shorter ones. The first request always gets at least its longest pair in, even one longer than the budget.
    """
    if not pending:
        return []
    longest = pending[0][0]
    room = _PackedRoom(longest, budget) if budget.padding_free else _PaddedRoom(longest, budget)
    plan = _Plan(pending, room)
    plan.take([0], room.admit_unpadded)
    if not plan.has_whole_anchor:
        plan.take(range(1, companions + 1), room.admit_unpadded)
    plan.take([0], room.admit)
    if plan.has_whole_anchor:
        plan.take(range(1, len(pending)), room.admit)
    return plan.slices


class _Plan:
    """The runs of pairs that are taken so far, one of each request at most."""

    def __init__(self, pending: Sequence[Sequence[int]], room: _Room) -> None:
        self._pending = pending
        self._room = room
        self._taken: dict[int, Slice] = {}

    @property
    def slices(self) -> list[Slice]:
        return list(self._taken.values())

    @property
    def has_whole_anchor(self) -> bool:
        return self._taken[0].stop == len(self._pending[0])

    def take(self, requests: Iterable[int], admit: Callable[[int], bool]) -> None:
        """Take the next pairs of each request for as long as they are admitted."""
        for request in requests:
            if self._room.is_full:
                return
            lengths = self._pending[request]
            start, stop = self._run_of(request)
            while stop < len(lengths) and admit(lengths[stop]):
                stop += 1
            if stop > start:
                self._taken[request] = Slice(request, start, stop)

    def _run_of(self, request: int) -> tuple[int, int]:
        if taken := self._taken.get(request):
            return taken.start, taken.stop
        start = _first_not_longer(self._pending[request], self._room.longest_welcome)
        return start, start


class _PaddedRoom:
    """What is left of the budget of a batch whose first pair has `longest` tokens, and which is padded to its width.

    Padding counts beyond what a pair would get in a pass of its own.
    """

    def __init__(self, longest: int, budget: BatchBudget) -> None:
        self._padded_width = budget.padded_width
        self.longest_welcome = self._padded_width(longest)
        self._pairs_left = max(1, budget.max_batch_tokens // self.longest_welcome)
        self._padding_left = budget.forward_overhead_tokens

    @property
    def is_full(self) -> bool:
        return self._pairs_left == 0

    def admit(self, length: int) -> bool:
        """Take a pair in, unless the batch is full or its padding would cost more than a pass of its own."""
        padding = self.longest_welcome - self._padded_width(length)
        if self.is_full or padding > self._padding_left:
            return False
        self._pairs_left -= 1
        self._padding_left -= padding
        return True

    def admit_unpadded(self, length: int) -> bool:
        """Take a pair in that has the width of the batch, unless the batch is full."""
        return self._padded_width(length) == self.longest_welcome and self.admit(length)


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

    admit_unpadded = admit


_Room = _PaddedRoom | _PackedRoom


def _first_not_longer(lengths: Sequence[int], longest: int) -> int:
    """Index of the first of the descending `lengths` that does not exceed `longest`."""
    return bisect_left(lengths, -longest, key=neg)
