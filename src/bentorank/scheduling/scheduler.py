"""The adaptive batcher: it never lets the device wait while there is work.

Callers add their pairs to a fair queue; a model thread takes the next batch out of it the moment it is free, so the
batch is always planned on the newest state of the queue and grows with the load by itself. There is one thread for
each of the engine's streams, and one more for an engine that prefetches: its batch waits for that before it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bentorank.errors import BentorankError, DeadlineExceededError, UnavailableError
from bentorank.scheduling.admission import QueueState, check_admission, check_before_tokenising
from bentorank.scheduling.batching import BatchBudget
from bentorank.scheduling.isolation import IsolatingForward, Outcome
from bentorank.scheduling.patience import Patience
from bentorank.scheduling.queue import FairQueue, QueuedRequest, Share
from bentorank.scheduling.shedding import Shedding
from bentorank.scheduling.speed import Speedometer
from bentorank.stages import Stage, StageName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bentorank.engines.protocol import Engine
    from bentorank.scheduling.admission import AdmissionCheck
    from bentorank.scheduling.limits import SchedulerLimits
    from bentorank.types import EncodedPair

# After running out of memory, batches stay at half the size for this long.
SMALL_BATCHES_AFTER_OUT_OF_MEMORY_S = 60.0
# A speed measured before that is no reason to refuse what comes to an idle device: a slow pass could refuse for ever.
SPEED_IS_VALID_S = 5.0
# So many full batches, at least, are in an engine's warm-up.
WARM_UP_BATCHES = 3
# Who takes part of the answer has its first documents scored first, so many batches of them at a time: in each, pairs
# of one length are computed together.
BLOCK_BATCHES = 2
# Records of batches that nobody collects are dropped, oldest first.
MAX_UNCOLLECTED_RECORDS = 10_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scored:
    """Outcomes in the order of the pairs; `inference_s` is the time of the forward passes that they took part in.

    `stages` are the time in the queue, and from the first pass to the end of the last, other callers' passes between
    them included.
    """

    outcomes: list[Outcome]
    inference_s: float
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One forward pass as it went. `padded_tokens` is what the device computed, padding included.

    `seconds` is the time of the device: waiting for a pass ahead of it on the same stream does not count.
    """

    pairs: int
    tokens: int
    padded_tokens: int
    seconds: float
    failed_pairs: int


class _Ticket:
    """A caller's claim on its outcomes. Written under the scheduler's lock, awaited on the caller's event loop."""

    def __init__(self, pairs: Sequence[EncodedPair], request: QueuedRequest, now: float) -> None:
        self.request = request
        self._queued_at = now
        self._first_batch_at: float | None = None
        self._last_batch_until = now
        self._batches = 0
        self._batch_tokens = 0
        self._padded_tokens = 0
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()
        self.outcomes: list[Outcome | None] = [None] * len(pairs)
        self.open_pairs = len(pairs)
        self.inference_s = 0.0
        self._computing_batches = 0
        self._computing_since = 0.0

    def begin_batch(self, now: float) -> None:
        """Some pairs are being computed from now on, perhaps beside others on another stream."""
        if self._first_batch_at is None:
            self._first_batch_at = now
        if self._computing_batches == 0:
            self._computing_since = now
        self._computing_batches += 1

    def end_batch(self, positions: Sequence[int], outcomes: Sequence[Outcome], batch: BatchRecord, now: float) -> None:
        """Take the outcomes of those pairs, and wake the caller when none is left open."""
        self._last_batch_until = now
        self._batches += 1
        self._batch_tokens += batch.tokens
        self._padded_tokens += batch.padded_tokens
        self._computing_batches -= 1
        if self._computing_batches == 0:
            self.inference_s += now - self._computing_since
        for position, outcome in zip(positions, outcomes, strict=True):
            self.outcomes[position] = outcome
        self.open_pairs -= len(positions)
        if self.open_pairs == 0:
            self.finish()

    def stages(self, now: float) -> tuple[Stage, ...]:
        """Waiting, and computing, until now. Batches that still run are counted in neither number."""
        computed_from = self._first_batch_at
        if computed_from is None:
            return (Stage(StageName.QUEUE, self._queued_at, now, {}),)
        computed_until = now if self._computing_batches else self._last_batch_until
        counts = {
            "pairs": len(self.outcomes) - self.open_pairs,
            "batches": self._batches,
            "batch_tokens": self._batch_tokens,
            "padded_tokens": self._padded_tokens,
        }
        return (
            Stage(StageName.QUEUE, self._queued_at, computed_from, {}),
            Stage(StageName.INFERENCE, computed_from, computed_until, counts),
        )

    def finish(self, error: BentorankError | None = None) -> None:
        """Wake the caller; from any thread, however often."""
        # A loop that has closed meanwhile has no caller left to wake.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._finish, error)

    def _finish(self, error: BentorankError | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


class _Stream:
    """One thread that computes batches, and what it is computing. Written under the scheduler's lock."""

    def __init__(self, number: int, engine: Engine, live: Callable[[_Stream], None]) -> None:
        self.forward = IsolatingForward(engine.forward)
        self.computing_since: float | None = None
        self.computing_tokens = 0
        self.thread = threading.Thread(target=live, args=(self,), name=f"model-{number}", daemon=True)

    def begin(self, tokens: int, now: float) -> None:
        """A batch is being computed from now on."""
        self.computing_since = now
        self.computing_tokens = tokens

    def end(self) -> None:
        """The batch is done."""
        self.computing_since = None
        self.computing_tokens = 0

    def is_stalled(self, now: float, patience: Patience) -> bool:
        """Whether a batch has been computing for longer than any honest one."""
        since = self.computing_since
        return since is not None and now - since > patience.limit_s(self.computing_tokens)


class Scheduler:
    """Shares one engine between all requests of a process.

    Work-conserving, budgeted in tokens, fair between requests, aware of deadlines and cancellation; a pair that fails
    fails alone. Start it with `start`, stop it with `close`.
    """

    def __init__(
        self,
        engine: Engine,
        limits: SchedulerLimits,
        *,
        on_death: Callable[[BaseException], None] = lambda _: None,
        warmed_up_in_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_death` is called on a model thread that dies of anything but `close`, with what: a server should exit.

        `warmed_up_in_s` is how long the engine took for its warm-up: the first hint at how long a pass may take.
        """
        self._info = engine.info
        self._limits = limits
        self._on_death = on_death
        self._clock = clock
        self._queue = FairQueue()
        self._tickets: dict[QueuedRequest, _Ticket] = {}
        self._expected_tokens = 0
        self._expected_requests = 0
        self._expected_callers = 0
        self._speed = Speedometer()
        self._shedding = Shedding(limits.target_wait_s, limits.max_batch_tokens * engine.info.streams)
        self._patience = Patience(limits.stalled_after_s, limits.forward_overhead_tokens)
        self._patience.learn(WARM_UP_BATCHES * engine.info.batch_tokens, warmed_up_in_s)
        self._records: deque[BatchRecord] = deque(maxlen=MAX_UNCOLLECTED_RECORDS)
        self._changed = threading.Condition()
        self._closing = False
        self._small_batches_until = float("-inf")
        self._consecutive_failed_batches = 0
        self._device_free_since = float("-inf")
        self._streams = [_Stream(number, engine, self._live) for number in range(self._info.forward_threads)]

    def start(self) -> None:
        """Start the model threads."""
        for stream in self._streams:
            stream.thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Finish the running batches unless they hang, refuse what still waits with UnavailableError, end threads."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        deadline = time.monotonic() + (0.0 if self.is_stalled else timeout_s)
        for stream in self._streams:
            if stream.thread.is_alive():
                stream.thread.join(max(0.0, deadline - time.monotonic()))
        self._refuse_all("the service is stopping")

    @contextmanager
    def expect(self, about_tokens: int, deadline: float | None, *, let_in: bool = False) -> Iterator[None]:
        """Let a request of about so many tokens be tokenised within the context, before it is scored.

        Raises OverloadedError at once when it would wait for too long, so that refusing costs no tokenising. What is
        `let_in` is further work of a caller who was: it may wait until its deadline.
        """
        with self._changed:
            if not let_in:
                callers = self._expected_callers + self._queue.callers
                self._shedding.check(about_tokens, self.state.tokens, callers, self._clock())
            self._admit(check_before_tokenising, about_tokens, deadline)
            self._expect(about_tokens, 1, let_in=let_in)
        try:
            yield
        finally:
            with self._changed:
                self._expect(-about_tokens, -1, let_in=let_in)

    async def score(
        self,
        pairs: Sequence[EncodedPair],
        deadline: float | None = None,
        *,
        partial: bool = False,
        let_in: bool = False,
    ) -> Scored:
        """Score `pairs`, waiting for their turn until `deadline` (seconds on the monotonic clock). `let_in`: see above.

        With `partial` they are scored about in their order, and those that are not when the deadline passes have a
        DeadlineExceededError for their outcome. Cancelling the awaiting task withdraws whatever has not reached the
        device. Raises OverloadedError, PayloadTooLargeError or DeadlineExceededError at once when admission refuses,
        DeadlineExceededError when the deadline passes, UnavailableError when the scheduler is closed.
        """
        if not pairs:
            return Scored([], 0.0)
        block_tokens = BLOCK_BATCHES * self._limits.max_batch_tokens if partial else None
        request = QueuedRequest.of(pairs, deadline, block_tokens, is_further=let_in)
        ticket = _Ticket(pairs, request, self._clock())
        self._enqueue(ticket, None if partial else deadline)
        try:
            await self._wait(ticket, deadline)
        except BentorankError as error:
            if not partial or not isinstance(error, DeadlineExceededError):
                error.stages = ticket.stages(self._clock())
                raise
        finally:
            self._withdraw(ticket)
        # Withdrawn, it is written to no more.
        outcomes = [_unreached() if outcome is None else outcome for outcome in ticket.outcomes]
        return Scored(outcomes, ticket.inference_s, ticket.stages(self._clock()))

    def collect_records(self) -> list[BatchRecord]:
        """The batches run since the last call, for the metrics."""
        records = []
        while self._records:
            records.append(self._records.popleft())
        return records

    @property
    def state(self) -> QueueState:
        """What is being tokenised, queued or computing right now."""
        computing = sum(stream.computing_tokens for stream in self._streams)
        tokens = self._expected_tokens + self._queue.tokens + computing
        return QueueState(tokens, self._expected_requests + len(self._tickets), self._speed.tokens_per_s)

    @property
    def max_batch_tokens(self) -> int:
        """Tokens of one forward pass, padding included."""
        return self._limits.max_batch_tokens

    @property
    def is_alive(self) -> bool:
        """False once a model thread has died or a forward pass takes longer than any honest one."""
        return not self.is_stalled and all(stream.thread.is_alive() for stream in self._streams)

    @property
    def is_stalled(self) -> bool:
        """Whether a forward pass takes longer than `stalled_after_s`, and than the speed of others explains."""
        with self._changed:
            now = self._clock()
            return any(stream.is_stalled(now, self._patience) for stream in self._streams)

    @property
    def consecutive_failed_batches(self) -> int:
        """How many batches in a row ended without one scored pair."""
        return self._consecutive_failed_batches

    def _expect(self, tokens: int, requests: int, *, let_in: bool) -> None:
        self._expected_tokens += tokens
        self._expected_requests += requests
        self._expected_callers += 0 if let_in else requests

    def _enqueue(self, ticket: _Ticket, needed_by: float | None) -> None:
        """Let a caller wait who needs all of its outcomes until `needed_by`."""
        request = ticket.request
        with self._changed:
            if self._closing or not all(stream.thread.is_alive() for stream in self._streams):
                raise UnavailableError("the service is stopping", retry_after_s=1)
            self._admit(check_admission, request.pending_tokens, needed_by)
            self._tickets[request] = ticket
            self._queue.add(request)
            self._changed.notify_all()

    def _admit(self, check: AdmissionCheck, tokens: int, deadline: float | None) -> None:
        """Raise what `check` has against so many tokens until `deadline`. The lock is held."""
        if not self._tickets:
            self._speed.forget_before(self._clock() - SPEED_IS_VALID_S)
        limit = self._limits.max_queue_tokens
        check(tokens, self.state, max_queue_tokens=limit, remaining_s=self._remaining_s(deadline))

    async def _wait(self, ticket: _Ticket, deadline: float | None) -> None:
        try:
            async with asyncio.timeout(self._remaining_s(deadline)):
                await ticket.done
        except TimeoutError:
            raise _unreached() from None

    def _remaining_s(self, deadline: float | None) -> float | None:
        return None if deadline is None else deadline - self._clock()

    def _withdraw(self, ticket: _Ticket) -> None:
        with self._changed:
            self._tickets.pop(ticket.request, None)
            self._queue.remove(ticket.request)

    def _live(self, stream: _Stream) -> None:
        try:
            while (shares := self._next_batch(stream)) is not None:
                self._compute(stream, shares)
        except BaseException as error:  # noqa: BLE001 - a service without a model thread must not look healthy
            logger.critical("the model thread died: %s", type(error).__name__)
            with self._changed:
                self._closing = True
                self._changed.notify_all()
            self._refuse_all("the engine died")
            self._on_death(error)

    def _next_batch(self, stream: _Stream) -> list[Share] | None:
        """Wait for work and take a batch of it; None when closing."""
        with self._changed:
            while not self._closing:
                for request in self._queue.remove_late(self._clock(), self._speed.tokens_per_s):
                    # The caller's own timer answers it; this only keeps late work off the device.
                    self._tickets.pop(request, None)
                if len(self._queue):
                    return self._take_batch(stream)
                self._changed.wait()
            return None

    def _take_batch(self, stream: _Stream) -> list[Share]:
        shares = self._queue.take_batch(self._budget())
        now = self._clock()
        self._shedding.take(self._queue.tokens, now)
        stream.begin(sum(share.tokens for share in shares), now)
        for share in shares:
            self._tickets[share.request].begin_batch(now)
        return shares

    def _budget(self) -> BatchBudget:
        tokens = self._limits.max_batch_tokens
        if self._clock() < self._small_batches_until:
            tokens //= 2
        info = self._info
        budget = BatchBudget(tokens, self._limits.forward_overhead_tokens, info.padding_free, info.padded_width)
        return budget.for_one_of(info.streams, self._queue.tokens)

    def _compute(self, stream: _Stream, shares: list[Share]) -> None:
        pairs = [pair for share in shares for pair in share.pairs]
        started = self._clock()
        outcomes = stream.forward.run(pairs)
        ended = self._clock()
        with self._changed:
            batch = self._account(stream, pairs, outcomes, self._device_s(started, ended))
            self._deliver(shares, outcomes, batch)

    def _device_s(self, started: float, ended: float) -> float:
        """How long the device worked on a pass. Where one is prefetched, it works on it from the end of that before."""
        if not self._info.prefetches:
            return ended - started
        started = max(started, self._device_free_since)
        self._device_free_since = max(ended, self._device_free_since)
        return max(0.0, ended - started)

    def _account(
        self, stream: _Stream, pairs: list[EncodedPair], outcomes: list[Outcome], seconds: float
    ) -> BatchRecord:
        failed = sum(1 for outcome in outcomes if not isinstance(outcome, float))
        tokens = stream.computing_tokens
        padded = self._info.computed_tokens([pair.length for pair in pairs])
        record = BatchRecord(len(pairs), tokens, padded, seconds, failed)
        self._records.append(record)
        stream.end()
        if failed < len(pairs):
            self._patience.learn(tokens, seconds)
            # What all streams do together, each at this speed.
            for measured in (self._speed, self._shedding):
                measured.record(tokens, seconds / self._info.streams, self._clock())
            self._consecutive_failed_batches = 0
        else:
            self._consecutive_failed_batches += 1
        if stream.forward.out_of_memory:
            self._small_batches_until = self._clock() + SMALL_BATCHES_AFTER_OUT_OF_MEMORY_S
        return record

    def _deliver(self, shares: list[Share], outcomes: list[Outcome], batch: BatchRecord) -> None:
        now = self._clock()
        start = 0
        for share in shares:
            own = outcomes[start : start + len(share.pairs)]
            start += len(share.pairs)
            if ticket := self._tickets.get(share.request):
                ticket.end_batch(share.positions, own, batch, now)

    def _refuse_all(self, reason: str) -> None:
        with self._changed:
            tickets = list(self._tickets.values())
            self._tickets.clear()
            self._queue = FairQueue()
        for ticket in tickets:
            ticket.finish(UnavailableError(reason, retry_after_s=1))


def _unreached() -> DeadlineExceededError:
    return DeadlineExceededError("the deadline passed before every document was scored")
