"""Carries the records of scheduler and cache into the metrics, off the way of the requests."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from bentorank.observability import metrics
from bentorank.process.metric_values import MetricValues
from bentorank.process.usage import ProcessUsage, process_usage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bentorank.cache.protocol import ScoreCache
    from bentorank.models import ServedModel, ServedModels

REPORT_EVERY_S = 0.5


async def report_for_ever(models: ServedModels, cache: ScoreCache | None) -> None:
    """Count the batches run and what was remembered, show queues, process and event loop, until cancelled."""
    loop = asyncio.get_running_loop()
    usage = ProcessUsage()
    # A scheduler forgets the speed of a device that was idle: the last one known is a better guess than none.
    speeds: dict[str, float] = {}
    while True:
        metrics.QUEUE_WAIT.set(sum(_report(model, speeds) for model in models))
        if cache is not None:
            metrics.record_cache(cache.collect_reports())
        metrics.ASYNCIO_TASKS.set(len(asyncio.all_tasks()))
        before = usage
        # Where descriptors have run out there is none to look with.
        with suppress(OSError):
            usage = process_usage()
        metrics.record_process(before, usage)
        MetricValues.return_to_disk()
        due = loop.time() + REPORT_EVERY_S
        await asyncio.sleep(REPORT_EVERY_S)
        metrics.EVENT_LOOP_LAG.observe(max(0.0, loop.time() - due))


def report_last(model: ServedModel) -> None:
    """Count what a model did that is served no more."""
    _report(model, {})


def _report(model: ServedModel, speeds: dict[str, float]) -> float:
    """Count a model's batches and show its queue. Returns how long the device will take for that, at the last speed."""
    scheduler = model.reranker.scheduler
    metrics.record_batches(model.name, scheduler.collect_records(), model.reranker.info.streams)
    state = scheduler.state
    metrics.record_queue(model.name, state)
    if state.tokens_per_s:
        speeds[model.name] = state.tokens_per_s
    tokens_per_s = speeds.get(model.name)
    return state.tokens / tokens_per_s if tokens_per_s else 0.0


async def report_readiness_for_ever(check_ready: Callable[[], Awaitable[bool]]) -> None:
    """Show whether /readyz, which asks `check_ready`, would say so; not ready once nobody looks any more."""
    try:
        while True:
            metrics.WORKERS_READY.set(await check_ready())
            await asyncio.sleep(REPORT_EVERY_S)
    finally:
        metrics.WORKERS_READY.set(0)
