"""Requests waiting for the device, in order of fairness.

Weighted fair queueing over whole requests: each gets, on arrival, the virtual time at which it would finish if the
device were shared equally between all requests, and is served in that order. So a small request overtakes a large one,
and equal requests are served first come first served. No request finishes later than under equal sharing, plus one
batch and the pairs of companions (see `_companions`) in its own passes and in those before: none starves. Source:
Demers, Keshav, Shenker, "Analysis and simulation of a fair queueing algorithm", 1989.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from bentorank.engines.encoded_pairs import as_encoded_pairs
from bentorank.scheduling.batching import BatchBudget, plan_batch
from bentorank.scheduling.fair_clock import FairClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bentorank.engines.encoded_pairs import EncodedPairs
    from bentorank.types import EncodedPair

# Filling a batch looks no further than this many requests: planning stays cheap under any backlog.
FILL_CANDIDATES = 64


@dataclass(slots=True, eq=False)
class QueuedRequest:
    """A request with all of its `pairs`. `positions` are the places of those that are to be scored, longest first.

    `pending_tokens` are those of its unscored pairs, `tokens` those of all that it came with. One that takes part of
    its outcomes waits with a block of its pairs at a time, and with the next of its `later` blocks after that.
    `is_further` is one of a caller who has another.
    """

    pairs: EncodedPairs
    positions: list[int]
    lengths: list[int]
    deadline: float | None
    tokens: int
    pending_tokens: int
    takes_part: bool = False
    is_further: bool = False
    later: deque[range] = field(default_factory=deque)
    finish_tag: float = 0.0

    @classmethod
    def of(
        cls,
        pairs: Sequence[EncodedPair],
        deadline: float | None,
        block_tokens: int | None = None,
        *,
        is_further: bool = False,
    ) -> QueuedRequest:
        """Queue `pairs` until `deadline`, in seconds on the monotonic clock.

        With `block_tokens` part of them will do, the first ones: they wait in blocks of at least so many tokens.
        """
        pairs = as_encoded_pairs(pairs)
        tokens = sum(pairs.lengths)
        takes_part = block_tokens is not None
        blocks = _blocks(pairs.lengths, block_tokens) if block_tokens is not None else [range(len(pairs))]
        request = cls(pairs, [], [], deadline, tokens, tokens, takes_part, is_further, deque(blocks))
        request.open_next_block()
        return request

    def open_next_block(self) -> bool:
        """Wait with the next block of pairs, unless all are computed or being so."""
        if not self.later:
            return False
        lengths = self.pairs.lengths
        self.positions = sorted(self.later.popleft(), key=lengths.__getitem__, reverse=True)
        self.lengths = [lengths[position] for position in self.positions]
        return True

    def is_late(self, now: float, tokens_per_s: float | None) -> bool:
        """Whether what is left cannot be computed until the deadline; where part of it will do, whether none can."""
        if self.deadline is None:
            return False
        left_s = self.pending_tokens / tokens_per_s if tokens_per_s and not self.takes_part else 0.0
        return now + left_s >= self.deadline


@dataclass(frozen=True, slots=True)
class Share:
    """The pairs of one request that go into a batch, by their places in the request, and their tokens together."""

    request: QueuedRequest
    positions: list[int]
    tokens: int

    @property
    def pairs(self) -> EncodedPairs:
        """What the engine reads."""
        return self.request.pairs.at(self.positions)


@dataclass(slots=True)
class FairQueue:
    """The waiting requests. Not thread-safe: the scheduler's lock guards it."""

    tokens: int = 0
    _requests: list[QueuedRequest] = field(default_factory=list)
    _clock: FairClock = field(default_factory=FairClock)

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def callers(self) -> int:
        """How many share the device; those that small requests have overtaken feel them all."""
        return self._clock.callers

    def add(self, request: QueuedRequest) -> None:
        """Let a request wait for its turn."""
        request.finish_tag = self._clock.enter(request.pending_tokens, is_further=request.is_further)
        self.tokens += request.pending_tokens
        insort(self._requests, request, key=lambda queued: queued.finish_tag)

    def remove(self, request: QueuedRequest) -> None:
        """Drop what is left of a request, if anything is."""
        if request in self._requests:
            self._requests.remove(request)
            self._clock.leave(request.finish_tag, is_further=request.is_further)
            self.tokens -= request.pending_tokens
            request.pending_tokens = 0
            self._rewind_when_empty()

    def remove_late(self, now: float, tokens_per_s: float | None) -> list[QueuedRequest]:
        """Drop and return the requests that would miss their deadline even if the device did nothing else from now on.

        Begun later they would only keep it from those that can be in time. Nothing is foreseen at an unknown speed.
        """
        late = [request for request in self._requests if request.is_late(now, tokens_per_s)]
        for request in late:
            self.remove(request)
        return late

    def take_batch(self, budget: BatchBudget) -> list[Share]:
        """Take the pairs of the next forward pass out of the queue."""
        candidates = list(islice(self._requests, FILL_CANDIDATES))
        slices = plan_batch([request.lengths for request in candidates], budget, _companions(candidates))
        shares = [self._take(candidates[s.request], s.start, s.stop) for s in slices]
        taken_tokens = sum(share.tokens for share in shares)
        self.tokens -= taken_tokens
        self._clock.advance(taken_tokens)
        self._forget_emptied(share.request for share in shares)
        return shares

    @staticmethod
    def _take(request: QueuedRequest, start: int, stop: int) -> Share:
        tokens = sum(request.lengths[start:stop])
        share = Share(request, request.positions[start:stop], tokens)
        del request.positions[start:stop]
        request.pending_tokens -= tokens
        del request.lengths[start:stop]
        return share

    def _forget_emptied(self, requests: Iterable[QueuedRequest]) -> None:
        for request in requests:
            if not request.lengths and not request.open_next_block():
                self._requests.remove(request)
        self._rewind_when_empty()

    def _rewind_when_empty(self) -> None:
        if not self._requests:
            self._clock.rewind()


def _blocks(lengths: Sequence[int], block_tokens: int) -> Iterator[range]:
    """The places of runs of pairs with at least so many tokens each, but for the last."""
    start = tokens = 0
    for end, length in enumerate(lengths, start=1):
        tokens += length
        if tokens >= block_tokens or end == len(lengths):
            yield range(start, end)
            start, tokens = end, 0


def _companions(candidates: Sequence[QueuedRequest]) -> int:
    """How many come next after the first and may go into its passes before all of it has.

    Those due later than it by no more than all of its own tokens. So requests of about one size share passes, which
    then are padded less, and a small one still does not wait for pairs of large ones.
    """
    if not candidates:
        return 0
    latest = candidates[0].finish_tag + candidates[0].tokens
    return bisect_right(candidates, latest, lo=1, key=lambda request: request.finish_tag) - 1
