"""Several models on one device: each has its share of it, whatever is asked of the others."""

import asyncio
import dataclasses
import threading
import time
from contextlib import contextmanager

import pytest

from bentorank.engines.fake import FakeEngine
from bentorank.engines.options import FakeOptions
from bentorank.errors import OverloadedError, UnavailableError
from bentorank.scheduling import Device, Scheduler, SchedulerLimits
from bentorank.types import Pair

LIMITS = SchedulerLimits(max_queue_tokens=10_000, max_batch_tokens=64, forward_overhead_tokens=8)


class NamedEngine(FakeEngine):
    """Notes each pass under its name in a log that engines share, and waits for a gate if there is one."""

    def __init__(self, name, log=None, *, gate=None, streams=1, **delays):
        super().__init__(FakeOptions(**delays))
        self.info = dataclasses.replace(self.info, model=name, streams=streams)
        self._log = [] if log is None else log
        self._gate = gate

    def forward(self, batch):
        if self._gate is not None:
            self._gate.wait(10)
        self._log.append(self.info.model)
        return super().forward(batch)


@contextmanager
def sharing(*engines, limits=LIMITS):
    """A scheduler for each of the engines, on one device."""
    device = Device()
    schedulers = [Scheduler(engine, limits, device=device) for engine in engines]
    for scheduler in schedulers:
        scheduler.start()
    device.start()
    try:
        yield schedulers
    finally:
        device.close()


def encode(engine, pairs):
    return engine.encode([Pair("alpha beta", f"alpha {number} word") for number in range(pairs)])


async def ask_until(scheduler, engine, pairs, end):
    """One caller who asks again when he is answered."""
    answered = 0
    while time.monotonic() < end:
        await scheduler.score(encode(engine, pairs))
        answered += 1
    return answered


def device_s(scheduler):
    return sum(record.seconds for record in scheduler.collect_records())


def test_two_flooded_models_have_half_of_the_device_each():
    """In time, though a pass of one takes four times as long as the other's, and it has ten times as many callers."""
    large, small = NamedEngine("large", delay_s_per_batch=0.02), NamedEngine("small", delay_s_per_batch=0.005)

    async def flood(schedulers):
        end = time.monotonic() + 1.0
        callers = [ask_until(schedulers[0], large, 30, end) for _ in range(40)]
        callers += [ask_until(schedulers[1], small, 30, end) for _ in range(4)]
        flooding = asyncio.gather(*callers)
        await asyncio.sleep(1.0)
        shares = [device_s(scheduler) for scheduler in schedulers]
        await flooding
        return shares

    with sharing(large, small) as schedulers:
        of_large, of_small = asyncio.run(flood(schedulers))
    assert 0.35 < of_small / (of_large + of_small) < 0.6


def test_a_model_without_callers_leaves_the_device_to_the_other():
    """Work-conserving: no share is kept for who does not come."""
    engine, idle = NamedEngine("busy", delay_s_per_batch=0.005), NamedEngine("idle")

    async def flood(scheduler):
        started = time.monotonic()
        await asyncio.gather(*(ask_until(scheduler, engine, 30, started + 0.5) for _ in range(4)))
        return device_s(scheduler) / (time.monotonic() - started)

    with sharing(engine, idle) as schedulers:
        assert asyncio.run(flood(schedulers[0])) > 0.6


def test_one_request_beside_a_flood_on_another_model_waits_for_the_pass_that_runs():
    """Twenty requests for the other came before it, and none of their next passes does."""
    log, gate = [], threading.Event()
    flooded, other = NamedEngine("flooded", log, gate=gate), NamedEngine("other", log, gate=gate)

    async def run(schedulers):
        flood = [asyncio.create_task(schedulers[0].score(encode(flooded, 30))) for _ in range(20)]
        await asyncio.sleep(0.05)
        lone = asyncio.create_task(schedulers[1].score(encode(other, 2)))
        await asyncio.sleep(0.05)
        gate.set()
        await asyncio.gather(lone, *flood)

    with sharing(flooded, other) as schedulers:
        asyncio.run(run(schedulers))
    assert log[1] == "other"
    assert log.count("other") == 1


def test_passes_that_take_the_whole_device_are_not_kept_out_by_those_that_take_half():
    """It is never all free by chance: the other's next passes wait until it is."""
    log = []
    halves = NamedEngine("half", log, streams=2, delay_s_per_batch=0.005)
    whole = NamedEngine("whole", log, delay_s_per_batch=0.005)

    async def flood(schedulers):
        end = time.monotonic() + 0.5
        callers = [ask_until(schedulers[0], halves, 30, end) for _ in range(8)]
        return (await asyncio.gather(ask_until(schedulers[1], whole, 5, end), *callers))[0]

    with sharing(halves, whole) as schedulers:
        assert asyncio.run(flood(schedulers)) > 5
    assert log.count("half") > 5


def test_passes_never_take_more_than_the_device():
    """Two halves or one whole at a time, in any mixture: cores are not shared between more passes than they are for."""
    running, most = [], []

    class Watched(NamedEngine):
        def forward(self, batch):
            running.append(1 / self.info.forward_threads)
            most.append(sum(running))
            try:
                return super().forward(batch)
            finally:
                running.remove(1 / self.info.forward_threads)

    engines = [Watched(str(streams), streams=streams, delay_s_per_batch=0.002) for streams in (1, 2, 4)]

    async def flood(schedulers):
        end = time.monotonic() + 0.4
        both = [*zip(schedulers, engines, strict=True)] * 4
        await asyncio.gather(*(ask_until(scheduler, engine, 20, end) for scheduler, engine in both))

    with sharing(*engines) as schedulers:
        asyncio.run(flood(schedulers))
    assert max(most) <= 1


def test_a_deadline_that_the_others_share_of_the_device_would_break_is_refused_at_once():
    """What is foreseen is an equal share: alone the request would be in time, beside the other model's work not."""
    engine, other = (NamedEngine(name, delay_s_per_1k_tokens=1.0) for name in ("own", "other"))
    limits = dataclasses.replace(LIMITS, max_batch_tokens=30)

    async def run(schedulers):
        own, theirs = schedulers
        for scheduler, its in zip(schedulers, (engine, other), strict=True):
            await scheduler.score(encode(its, 5))
        await own.score(encode(engine, 20), time.monotonic() + 0.25)
        flood = asyncio.create_task(theirs.score(encode(other, 200)))
        await asyncio.sleep(0.01)
        began = time.monotonic()
        with pytest.raises(OverloadedError):
            await own.score(encode(engine, 40), began + 0.35)
        assert time.monotonic() - began < 0.2
        flood.cancel()

    with sharing(engine, other, limits=limits) as schedulers:
        asyncio.run(run(schedulers))


def test_a_model_leaves_while_the_other_is_served():
    """What of it still waits is told so; the other's requests are answered, before and after."""
    log, gate = [], threading.Event()
    leaving, staying = NamedEngine("leaving", log, gate=gate), NamedEngine("staying", log, gate=gate)

    async def run(schedulers):
        running = asyncio.create_task(schedulers[0].score(encode(leaving, 30)))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(schedulers[0].score(encode(leaving, 30)))
        others = asyncio.create_task(schedulers[1].score(encode(staying, 30)))
        await asyncio.sleep(0.05)
        closing = asyncio.create_task(asyncio.to_thread(schedulers[0].close))
        await asyncio.sleep(0.05)
        gate.set()
        await closing
        for refused in (running, waiting):
            with pytest.raises(UnavailableError):
                await refused
        with pytest.raises(UnavailableError):
            await schedulers[0].score(encode(leaving, 1))
        return [await others, await schedulers[1].score(encode(staying, 3))]

    with sharing(leaving, staying) as schedulers:
        before, after = asyncio.run(run(schedulers))
    assert len(before.outcomes) == 30
    assert len(after.outcomes) == 3
    assert log[0] == "leaving"
    assert log.count("leaving") == 1


def test_a_model_comes_while_the_other_is_served():
    """One whose passes run on more threads than there were brings them along."""
    engine, coming = NamedEngine("first"), NamedEngine("second", streams=3)

    async def run(schedulers):
        before = await schedulers[0].score(encode(engine, 3))
        scheduler = Scheduler(coming, LIMITS, device=schedulers[0].device)
        scheduler.start()
        return [before, await scheduler.score(encode(coming, 40)), await schedulers[0].score(encode(engine, 3))]

    with sharing(engine) as schedulers:
        assert [len(scored.outcomes) for scored in asyncio.run(run(schedulers))] == [3, 40, 3]
