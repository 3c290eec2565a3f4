"""The scheduler with its model thread, over the fake engine."""

import asyncio
import dataclasses
import threading
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest

from bentorank.engines.fake import FakeEngine
from bentorank.engines.options import FakeOptions
from bentorank.errors import (
    DeadlineExceededError,
    OverloadedError,
    PayloadTooLargeError,
    Refusal,
    ScoringError,
    UnavailableError,
)
from bentorank.scheduling import Device, Scheduler, SchedulerLimits
from bentorank.types import Pair

LIMITS = SchedulerLimits(max_queue_tokens=10_000, max_batch_tokens=64, forward_overhead_tokens=8)


@contextmanager
def running_scheduler(engine, limits=LIMITS, *, warmed_up_in_s=0.0, **options):
    device = Device(**options)
    scheduler = Scheduler(engine, limits, device=device, warmed_up_in_s=warmed_up_in_s)
    scheduler.start()
    device.start()
    try:
        yield scheduler
    finally:
        device.close()


def encode(engine, *passages, query="alpha beta"):
    return engine.encode([Pair(query, passage) for passage in passages])


class GatedEngine(FakeEngine):
    """A fake engine whose forward passes wait for a gate, so that a test decides what queues up behind one."""

    def __init__(self):
        super().__init__(FakeOptions())
        self.gate = threading.Event()
        self.batches = []

    def forward(self, batch):
        self.gate.wait(10)
        self.batches.append(len(batch))
        return super().forward(batch)


def test_outcomes_come_back_in_the_order_of_the_pairs_whatever_was_batched_together():
    """Twenty concurrent requests each get exactly the logits that the engine gives their pairs alone."""
    engine = FakeEngine()
    requests = [[f"alpha {'beta ' * (i % 7)} word{i} {j}" for j in range(1 + i % 9)] for i in range(20)]

    async def run_all(scheduler):
        encoded = [encode(engine, *passages) for passages in requests]
        return await asyncio.gather(*(scheduler.score(pairs) for pairs in encoded))

    with running_scheduler(engine) as scheduler:
        results = asyncio.run(run_all(scheduler))
    for passages, scored in zip(requests, results, strict=True):
        alone = [float(engine.forward([pair])[0]) for pair in encode(engine, *passages)]
        assert scored.outcomes == alone


def test_waiting_requests_share_a_forward_pass():
    """What queued up behind a running batch is batched together: no timer, no fixed batch size."""
    engine = GatedEngine()

    async def run(scheduler):
        first = asyncio.create_task(scheduler.score(encode(engine, "alpha")))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(scheduler.score(encode(engine, f"alpha {i}"))) for i in range(8)]
        await asyncio.sleep(0.05)
        engine.gate.set()
        await asyncio.gather(first, *others)

    with running_scheduler(engine) as scheduler:
        asyncio.run(run(scheduler))
    assert engine.batches == [1, 8]


def test_a_poisoned_pair_fails_alone_across_requests():
    """One bad passage spoils neither its own request's other pairs nor a neighbour's."""
    engine = FakeEngine()

    async def run(scheduler):
        return await asyncio.gather(
            scheduler.score(encode(engine, "alpha", "x [[poison]]", "beta")),
            scheduler.score(encode(engine, "alpha", "beta")),
        )

    with running_scheduler(engine) as scheduler:
        poisoned, healthy = asyncio.run(run(scheduler))
    kinds = [isinstance(outcome, ScoringError) for outcome in poisoned.outcomes]
    assert kinds == [False, True, False]
    assert all(isinstance(outcome, float) for outcome in healthy.outcomes)


def test_a_deadline_ends_the_wait_even_while_the_engine_is_stuck():
    """The caller is answered at its own deadline, not when the engine comes back."""
    engine = GatedEngine()

    async def run(scheduler):
        started = time.monotonic()
        with pytest.raises(DeadlineExceededError):
            await scheduler.score(encode(engine, "alpha"), time.monotonic() + 0.1)
        engine.gate.set()
        return time.monotonic() - started

    with running_scheduler(engine) as scheduler:
        assert asyncio.run(run(scheduler)) < 0.5


def test_expired_and_cancelled_work_never_reaches_the_device():
    """Whoever gave up or left while queued costs no forward pass."""
    engine = GatedEngine()

    async def run(scheduler):
        blocker = asyncio.create_task(scheduler.score(encode(engine, "alpha")))
        await asyncio.sleep(0.05)
        expiring = asyncio.create_task(scheduler.score(encode(engine, *["late"] * 5), time.monotonic() + 0.05))
        leaving = asyncio.create_task(scheduler.score(encode(engine, *["gone"] * 5)))
        await asyncio.sleep(0.1)
        leaving.cancel()
        await asyncio.gather(expiring, leaving, return_exceptions=True)
        queued = scheduler.state.tokens
        engine.gate.set()
        await blocker
        await scheduler.score(encode(engine, "alpha"))
        return queued

    with running_scheduler(engine) as scheduler:
        queued = asyncio.run(run(scheduler))
    assert queued == len(encode(engine, "alpha")[0].input_ids), "only the running pair still counts"
    assert engine.batches == [1, 1]


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back():
    """Overload is a 429 with Retry-After, not a long wait."""
    engine = GatedEngine()
    limits = SchedulerLimits(max_queue_tokens=20, max_batch_tokens=64, forward_overhead_tokens=8)

    async def run(scheduler):
        running = asyncio.create_task(scheduler.score(encode(engine, "alpha beta gamma", "alpha beta gamma")))
        await asyncio.sleep(0.05)
        with pytest.raises(OverloadedError) as refused:
            await scheduler.score(encode(engine, "alpha beta gamma", "alpha beta gamma"))
        engine.gate.set()
        await running
        return refused.value

    with running_scheduler(engine, limits) as scheduler:
        assert asyncio.run(run(scheduler)).retry_after_s >= 1


def test_a_request_larger_than_the_queue_is_the_callers_mistake():
    """Waiting would never help, so it is a 413."""
    engine = FakeEngine()
    limits = SchedulerLimits(max_queue_tokens=4, max_batch_tokens=4, forward_overhead_tokens=0)
    with running_scheduler(engine, limits) as scheduler, pytest.raises(PayloadTooLargeError, match="limit of 4"):
        asyncio.run(scheduler.score(encode(engine, "alpha beta gamma")))


def test_work_that_cannot_meet_its_deadline_is_refused_by_the_measured_speed():
    """After one slow batch the scheduler knows its speed and refuses what would be late."""
    engine = FakeEngine(FakeOptions(delay_s_per_batch=0.05))

    async def run(scheduler):
        await scheduler.score(encode(engine, "alpha"))
        with pytest.raises(DeadlineExceededError, match="send fewer documents"):
            await scheduler.score(encode(engine, *["alpha"] * 400), time.monotonic() + 0.2)

    with running_scheduler(engine) as scheduler:
        asyncio.run(run(scheduler))


def test_one_slow_pass_does_not_refuse_for_ever():
    """After a pass that was slow by accident, an idle service tries again, for all who come."""
    sleeps_s = [4.0]
    asleep_s = [0.0]

    class SleepyEngine(FakeEngine):
        def forward(self, batch):
            asleep_s[0] += sleeps_s.pop() if sleeps_s else 0.01
            return super().forward(batch)

    def clock():
        return time.monotonic() + asleep_s[0]

    engine = SleepyEngine()
    pairs = encode(engine, *["one two three four five six seven"] * 20)

    async def run(scheduler):
        await scheduler.score(pairs[:1])
        asleep_s[0] += 6.0
        with scheduler.expect(50, clock() + 30), scheduler.expect(50, clock() + 30):
            pass
        return await scheduler.score(pairs, clock() + 30)

    with running_scheduler(engine, clock=clock) as scheduler:
        assert len(asyncio.run(run(scheduler)).outcomes) == 20


def test_who_would_wait_too_long_is_refused_unless_it_is_further_work_of_a_caller():
    """Sixty requests of a pass each, all without a deadline: some are let in, and all of what belongs to one caller."""
    engine = FakeEngine(FakeOptions(delay_s_per_batch=0.01))
    limits = SchedulerLimits(100_000, max_batch_tokens=64, forward_overhead_tokens=8, target_wait_s=0.01)
    pairs = encode(engine, *["one two three four"] * 9)

    async def ask(scheduler, *, let_in):
        try:
            with scheduler.expect(9 * 7, None, let_in=let_in):
                pass
            return await scheduler.score(pairs, let_in=let_in)
        except OverloadedError as error:
            return error

    async def ask_sixty(scheduler, *, let_in):
        asked = []
        for _ in range(60):
            asked.append(asyncio.create_task(ask(scheduler, let_in=let_in and bool(asked))))
            await asyncio.sleep(0.002)
        return await asyncio.gather(*asked)

    with running_scheduler(engine, limits) as scheduler:
        of_one = asyncio.run(ask_sixty(scheduler, let_in=True))
        of_many = asyncio.run(ask_sixty(scheduler, let_in=False))
    assert not any(isinstance(answer, OverloadedError) for answer in of_one)
    refused = [answer for answer in of_many if isinstance(answer, OverloadedError)]
    assert 10 < len(refused) < 50
    assert {(error.refusal, error.retry_after_s) for error in refused} == {(Refusal.TARGET_WAIT, 1)}


def test_no_pass_is_begun_for_expired_work():
    """200 requests with 50 ms, at twice the capacity: whatever pass a pair is in began before its deadline."""
    begun = []

    class RecordingEngine(FakeEngine):
        def forward(self, batch):
            begun.append((time.monotonic(), [id(pair) for pair in batch]))
            return super().forward(batch)

    engine = RecordingEngine(FakeOptions(delay_s_per_batch=0.01))
    limits = SchedulerLimits(100_000, max_batch_tokens=64, forward_overhead_tokens=8)
    requests = [encode(engine, *[f"one two three {n}"] * 9) for n in range(200)]
    deadlines = {}

    async def ask(scheduler, pairs):
        deadline = time.monotonic() + 0.05
        deadlines.update((id(pair), deadline) for pair in pairs)
        with suppress(OverloadedError, DeadlineExceededError):
            await scheduler.score(pairs, deadline)
        return time.monotonic() - deadline

    async def ask_all(scheduler):
        asked = []
        for pairs in requests:
            asked.append(asyncio.create_task(ask(scheduler, pairs)))
            await asyncio.sleep(0.005)
        return await asyncio.gather(*asked)

    with running_scheduler(engine, limits) as scheduler:
        late_s = asyncio.run(ask_all(scheduler))
    assert begun
    assert all(started < deadlines[pair] for started, pairs in begun for pair in pairs)
    assert sorted(late_s)[180] < 0.05


class DyingEngine(FakeEngine):
    """Dies the way a thread dies, past every `except Exception`."""

    def forward(self, batch):
        raise SystemExit


def test_when_the_model_thread_dies_everybody_is_told():
    """Waiting callers get an error, new ones are refused, `is_alive` is false and the owner is called."""
    engine = DyingEngine()
    died = threading.Event()

    async def run(scheduler):
        with pytest.raises(UnavailableError):
            await asyncio.wait_for(scheduler.score(encode(engine, "alpha")), 5)
        with pytest.raises(UnavailableError):
            await asyncio.wait_for(scheduler.score(encode(engine, "alpha")), 5)

    with running_scheduler(engine, on_death=lambda _: died.set()) as scheduler:
        asyncio.run(run(scheduler))
        assert died.wait(5)
        assert not scheduler.is_alive


def test_a_stuck_forward_pass_shows_in_is_alive():
    """A heartbeat, not a clock: the device must get somewhere."""
    engine = GatedEngine()
    limits = SchedulerLimits(10_000, 64, 8, stalled_after_s=0.05)

    async def run(scheduler):
        task = asyncio.create_task(scheduler.score(encode(engine, "alpha")))
        assert scheduler.is_alive
        await asyncio.sleep(0.15)
        assert not scheduler.is_alive
        engine.gate.set()
        await task
        assert scheduler.is_alive

    with running_scheduler(engine, limits) as scheduler:
        asyncio.run(run(scheduler))


def test_records_tell_what_the_batches_were():
    """Pairs, tokens and padding of each pass, once."""
    engine = FakeEngine()
    with running_scheduler(engine) as scheduler:
        pairs = encode(engine, "alpha", "alpha beta gamma")
        asyncio.run(scheduler.score(pairs))
        (record,) = scheduler.collect_records()
        assert (record.pairs, record.tokens, record.padded_tokens) == (2, 4 + 6, 12)
        assert scheduler.collect_records() == []


def test_a_padding_free_engine_is_charged_for_no_padding():
    """Lengths that padding would keep apart share a pass, and its record has no padding."""
    engine = FakeEngine()
    engine.info = dataclasses.replace(engine.info, padding_free=True)
    limits = SchedulerLimits(10_000, 64, forward_overhead_tokens=0)
    with running_scheduler(engine, limits) as scheduler:
        asyncio.run(scheduler.score(encode(engine, "alpha", "alpha beta gamma")))
        (record,) = scheduler.collect_records()
        assert (record.pairs, record.tokens, record.padded_tokens) == (2, 4 + 6, 10)


def test_an_engine_that_returns_too_few_logits_fails_the_pairs_not_the_thread():
    """A wrong shape is caught before it is sliced wrongly."""

    class ShortEngine(FakeEngine):
        def forward(self, batch):
            return np.zeros(len(batch) - 1, dtype=np.float32)

    engine = ShortEngine()
    with running_scheduler(engine) as scheduler:
        scored = asyncio.run(scheduler.score(encode(engine, "alpha", "beta")))
        assert all(isinstance(outcome, ScoringError) for outcome in scored.outcomes)
        assert scheduler.is_alive
        assert scheduler.consecutive_failed_batches == 1


def test_closing_refuses_what_waits():
    """Nobody hangs on a stopped scheduler."""
    engine = GatedEngine()

    async def run(scheduler):
        running = asyncio.create_task(scheduler.score(encode(engine, "alpha")))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(scheduler.score(encode(engine, "beta")))
        await asyncio.sleep(0.05)
        asyncio.get_running_loop().call_later(0.1, engine.gate.set)
        await asyncio.to_thread(scheduler.close)
        return await asyncio.gather(running, waiting, return_exceptions=True)

    with running_scheduler(engine) as scheduler:
        finished, refused = asyncio.run(run(scheduler))
    assert len(finished.outcomes) == 1
    assert isinstance(refused, UnavailableError)


class TwoStreamEngine(FakeEngine):
    """The first batch of each stream waits for that of the other."""

    def __init__(self):
        super().__init__(FakeOptions())
        self.info = dataclasses.replace(self.info, streams=2)
        self.both = threading.Barrier(2)
        self.met = threading.local()

    def forward(self, batch):
        if not hasattr(self.met, "other"):
            self.met.other = self.both.wait(10)
        return super().forward(batch)


def test_one_request_is_divided_between_the_streams():
    """Neither stream would finish its first pass alone; the time of passes side by side counts once."""
    engine = TwoStreamEngine()
    pairs = encode(engine, *(f"alpha {'beta ' * (i % 2)} {i}" for i in range(8)))
    limits = SchedulerLimits(10_000, max_batch_tokens=64, forward_overhead_tokens=0)
    started = time.monotonic()
    with running_scheduler(engine, limits) as scheduler:
        scored = asyncio.run(scheduler.score(pairs, started + 10))
        records = scheduler.collect_records()
    assert scored.outcomes == [float(FakeEngine().forward([pair])[0]) for pair in pairs]
    assert len(records) >= 2
    assert scored.inference_s <= time.monotonic() - started


class PrefetchingEngine(FakeEngine):
    """Computes one pass at a time, as a GPU does, and takes the next one meanwhile."""

    def __init__(self):
        super().__init__(FakeOptions())
        self.info = dataclasses.replace(self.info, prefetches=True)
        self.device = threading.Lock()
        self.handed_over = 0
        self.most_handed_over = 0

    def forward(self, batch):
        self.handed_over += 1
        self.most_handed_over = max(self.most_handed_over, self.handed_over)
        with self.device:
            time.sleep(0.02)
            logits = super().forward(batch)
            self.handed_over -= 1
        return logits


def test_an_engine_that_prefetches_gets_the_next_batch_while_one_computes():
    """One and no more; the time that it waits for its turn is not the device's."""
    engine = PrefetchingEngine()
    pairs = encode(engine, *(f"alpha {'beta ' * (i % 2)} {i}" for i in range(64)))
    with running_scheduler(engine) as scheduler:
        started = time.monotonic()
        scored = asyncio.run(scheduler.score(pairs))
        elapsed_s = time.monotonic() - started
        records = scheduler.collect_records()
    assert scored.outcomes == [float(FakeEngine().forward([pair])[0]) for pair in pairs]
    assert engine.most_handed_over == 2
    assert len(records) >= 4
    assert sum(record.seconds for record in records) <= elapsed_s


def test_one_request_is_not_divided_for_prefetching():
    """What fits in a pass goes in one: there is one stream."""
    engine = PrefetchingEngine()
    with running_scheduler(engine) as scheduler:
        asyncio.run(scheduler.score(encode(engine, *["alpha"] * 8)))
        records = scheduler.collect_records()
    assert [record.pairs for record in records] == [8]


def test_when_one_stream_dies_the_other_stops_too():
    """Half an engine must not look healthy."""

    class HalfDyingEngine(TwoStreamEngine):
        def forward(self, batch):
            logits = super().forward(batch)
            if threading.current_thread().name == "model-1":
                raise SystemExit
            return logits

    engine = HalfDyingEngine()
    limits = SchedulerLimits(10_000, max_batch_tokens=64, forward_overhead_tokens=0)
    died = threading.Event()

    async def run(scheduler):
        with pytest.raises(UnavailableError):
            await asyncio.wait_for(scheduler.score(encode(engine, *["alpha"] * 8)), 5)

    with running_scheduler(engine, limits, on_death=lambda _: died.set()) as scheduler:
        asyncio.run(run(scheduler))
        assert died.wait(5)
        assert not scheduler.is_alive
