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

    from bentorank.reranker import Reranker

REPORT_EVERY_S = 0.5


async def report_for_ever(reranker: Reranker) -> None:
    """Count the batches run and what was remembered, show queue, process and event loop, until cancelled."""
    loop = asyncio.get_running_loop()
    scheduler, cache = reranker.scheduler, reranker.cache
    tokens_per_s, usage = None, ProcessUsage()
    while True:
        metrics.record_batches(scheduler.collect_records(), reranker.info.streams)
        state = scheduler.state
        # The scheduler forgets the speed of a device that was idle: the last one known is a better guess than none.
        tokens_per_s = state.tokens_per_s or tokens_per_s
        metrics.record_queue(state, tokens_per_s)
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


async def report_readiness_for_ever(check_ready: Callable[[], Awaitable[bool]]) -> None:
    """Show whether /readyz, which asks `check_ready`, would say so; not ready once nobody looks any more."""
    try:
        while True:
            metrics.WORKERS_READY.set(await check_ready())
            await asyncio.sleep(REPORT_EVERY_S)
    finally:
        metrics.WORKERS_READY.set(0)
