"""The adaptive batcher: it never lets the device wait while there is work.

Callers add their pairs to a fair queue; a model thread of the device takes the next batch out of it the moment it is
free, so the batch is always planned on the newest state of the queue and grows with the load by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bentorank.engines.encoded_pairs import all_of
from bentorank.errors import BentorankError, DeadlineExceededError, UnavailableError
from bentorank.scheduling.admission import QueueState, check_admission, check_before_tokenising
from bentorank.scheduling.batching import BatchBudget
from bentorank.scheduling.device import Batch, Device
from bentorank.scheduling.fair_clock import Turn
from bentorank.scheduling.isolation import IsolatingForward, Outcome
from bentorank.scheduling.patience import Patience
from bentorank.scheduling.queue import FairQueue, QueuedRequest, Share
from bentorank.scheduling.shedding import Shedding
from bentorank.scheduling.speed import Speedometer
from bentorank.stages import Stage, StageName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bentorank.engines.encoded_pairs import EncodedPairs
    from bentorank.engines.protocol import Engine, EngineInfo
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


class Scheduler:
    """The queue of one model, before a device that those of other models may share.

    Work-conserving, budgeted in tokens, fair between requests, aware of deadlines and cancellation; a pair that fails
    fails alone. Start it with `start`, stop it with `close`.
    """

    def __init__(
        self,
        engine: Engine,
        limits: SchedulerLimits,
        *,
        device: Device | None = None,
        warmed_up_in_s: float = 0.0,
    ) -> None:
        """Without a `device` it has one of its own, which starts and stops with it.

        `warmed_up_in_s` is how long the engine took for its warm-up: the first hint at how long a pass may take.
        """
        self.turn = Turn()
        self._engine = engine
        self._info = engine.info
        self._limits = limits
        self._device = device or Device()
        self._owns_device = device is None
        self._clock = self._device.clock
        self._changed = self._device.changed
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
        self._retired = False
        self._small_batches_until = float("-inf")
        self._consecutive_failed_batches = 0

    def start(self) -> None:
        """Take part in the device, which starts if it is this scheduler's own."""
        self._device.add(self)
        if self._owns_device:
            self._device.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Finish the running batches unless they hang, refuse what still waits with UnavailableError.

        A device of its own stops; another serves its other models on.
        """
        if self._owns_device:
            self._device.close(timeout_s)
            return
        with self._changed:
            self._retired = True
        self._device.remove(self, 0.0 if self.is_stalled else timeout_s)
        self.refuse_all("the model is not served any more")

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
        tokens = self._expected_tokens + self._queue.tokens + self._device.computing_tokens(self)
        return QueueState(tokens, self._expected_requests + len(self._tickets), self._speed.tokens_per_s)

    @property
    def info(self) -> EngineInfo:
        """What is loaded."""
        return self._info

    @property
    def device(self) -> Device:
        """What other models may share with it."""
        return self._device

    @property
    def queued_tokens(self) -> int:
        """What waits, without what is computed or tokenised."""
        return self._queue.tokens

    @property
    def work_s(self) -> float:
        """How long the device would take for all that is known to come; 0 while its speed is unknown."""
        tokens_per_s = self._speed.tokens_per_s
        return self.state.tokens / tokens_per_s if tokens_per_s else 0.0

    @property
    def max_batch_tokens(self) -> int:
        """Tokens of one forward pass, padding included."""
        return self._limits.max_batch_tokens

    @property
    def is_alive(self) -> bool:
        """False once a model thread has died or a forward pass takes longer than any honest one."""
        return self._device.is_alive

    @property
    def is_stalled(self) -> bool:
        """Whether a forward pass takes longer than `stalled_after_s`, and than the speed of others explains."""
        return self._device.is_stalled

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
            if self._retired:
                raise UnavailableError("the model is not served any more", retry_after_s=1)
            if not self._device.takes_work:
                raise UnavailableError("the service is stopping", retry_after_s=1)
            self._admit(check_admission, request.pending_tokens, needed_by)
            if not self._queue.tokens:
                self._device.turns.enter(self.turn)
            self._tickets[request] = ticket
            self._queue.add(request)
            self._changed.notify_all()

    def _admit(self, check: AdmissionCheck, tokens: int, deadline: float | None) -> None:
        """Raise what `check` has against so many tokens until `deadline`. The lock is held."""
        if not self._tickets:
            self._speed.forget_before(self._clock() - SPEED_IS_VALID_S)
        limit = self._limits.max_queue_tokens
        check(tokens, self._state_among_others(), max_queue_tokens=limit, remaining_s=self._remaining_s(deadline))

    def _state_among_others(self) -> QueueState:
        """With what other models have to do, in tokens that this one would compute in that time."""
        state, works = self.state, self._device.works_of_others(self)
        if not works or state.tokens_per_s is None:
            return state
        tokens_per_s = state.tokens_per_s
        return replace(state, others=tuple([work_s * tokens_per_s for work_s in works]))

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

    def drop_late(self) -> None:
        """Forget what cannot be in time any more."""
        for request in self._queue.remove_late(self._clock(), self._speed.tokens_per_s):
            # The caller's own timer answers it; this only keeps late work off the device.
            self._tickets.pop(request, None)

    def limit_s(self, tokens: int) -> float:
        """How long an honest pass of so many tokens may take."""
        return self._patience.limit_s(tokens)

    def take_batch(self) -> Batch:
        """The next batch of what waits. The lock is held."""
        shares = self._queue.take_batch(self._budget())
        now = self._clock()
        self._shedding.take(self._queue.tokens, now)
        for share in shares:
            self._tickets[share.request].begin_batch(now)
        tokens = sum(share.tokens for share in shares)
        tokens_per_s = self._speed.tokens_per_s
        return Batch(shares, tokens, now, tokens / tokens_per_s if tokens_per_s else 0.0)

    def compute(self, batch: Batch) -> Callable[[], None]:
        """Run it on the calling thread; what it returns delivers the outcomes, and is called under the lock."""
        pairs = all_of([share.pairs for share in batch.shares])
        forward = IsolatingForward(self._engine.forward)
        started = self._clock()
        outcomes = forward.run(pairs)
        ended = self._clock()

        def deliver() -> None:
            seconds = self._device.seconds_of_pass(self._info, started, ended)
            if forward.out_of_memory:
                self._small_batches_until = ended + SMALL_BATCHES_AFTER_OUT_OF_MEMORY_S
            self._deliver(batch.shares, outcomes, self._account(batch, pairs, outcomes, seconds))

        return deliver

    def _budget(self) -> BatchBudget:
        tokens = self._limits.max_batch_tokens
        if self._clock() < self._small_batches_until:
            tokens //= 2
        info = self._info
        budget = BatchBudget(tokens, self._limits.forward_overhead_tokens, info.padding_free, info.padded_width)
        return budget.for_one_of(info.streams, self._queue.tokens)

    def _account(self, batch: Batch, pairs: EncodedPairs, outcomes: list[Outcome], seconds: float) -> BatchRecord:
        failed = sum(1 for outcome in outcomes if not isinstance(outcome, float))
        tokens = batch.tokens
        padded = self._info.computed_tokens(pairs.lengths)
        record = BatchRecord(len(pairs), tokens, padded, seconds, failed)
        self._records.append(record)
        # What all streams do together, each at this speed.
        of_device_s = seconds / self._info.streams
        self._device.turns.correct(self.turn, of_device_s - batch.about_s)
        if failed < len(pairs):
            self._patience.learn(tokens, seconds)
            for measured in (self._speed, self._shedding):
                measured.record(tokens, of_device_s, self._clock())
            self._consecutive_failed_batches = 0
        else:
            self._consecutive_failed_batches += 1
        return record

    def _deliver(self, shares: Sequence[Share], outcomes: list[Outcome], batch: BatchRecord) -> None:
        now = self._clock()
        start = 0
        for share in shares:
            own = outcomes[start : start + len(share.positions)]
            start += len(share.positions)
            if ticket := self._tickets.get(share.request):
                ticket.end_batch(share.positions, own, batch, now)

    def refuse_all(self, reason: str) -> None:
        """Answer everybody who waits with UnavailableError."""
        with self._changed:
            tickets = list(self._tickets.values())
            self._tickets.clear()
            self._queue = FairQueue()
        for ticket in tickets:
            ticket.finish(UnavailableError(reason, retry_after_s=1))


def _unreached() -> DeadlineExceededError:
    return DeadlineExceededError("the deadline passed before every document was scored")
