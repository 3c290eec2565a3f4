"""Carries the records of scheduler and cache into the metrics, off the way of the requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bentorank.observability import metrics
from bentorank.process.metric_values import MetricValues

if TYPE_CHECKING:
    from bentorank.reranker import Reranker

REPORT_EVERY_S = 0.5


async def report_for_ever(reranker: Reranker) -> None:
    """Count the batches run and what was remembered, show the queue and the event loop, until cancelled."""
    loop = asyncio.get_running_loop()
    scheduler, cache = reranker.scheduler, reranker.cache
    while True:
        metrics.record_batches(scheduler.collect_records())
        metrics.record_queue(scheduler.state)
        if cache is not None:
            metrics.record_cache(cache.collect_reports())
        metrics.ASYNCIO_TASKS.set(len(asyncio.all_tasks()))
        MetricValues.return_to_disk()
        due = loop.time() + REPORT_EVERY_S
        await asyncio.sleep(REPORT_EVERY_S)
        metrics.EVENT_LOOP_LAG.observe(max(0.0, loop.time() - due))
