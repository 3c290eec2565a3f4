"""Carries the records of scheduler and cache into the metrics, off the way of the requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bentorank.observability import metrics

if TYPE_CHECKING:
    from bentorank.reranker import Reranker

REPORT_EVERY_S = 0.5


async def report_for_ever(reranker: Reranker) -> None:
    """Count the batches run and what was remembered, and show the queue, until cancelled."""
    scheduler, cache = reranker.scheduler, reranker.cache
    while True:
        metrics.record_batches(scheduler.collect_records())
        metrics.record_queue(scheduler.state)
        if cache is not None:
            metrics.record_cache(cache.collect_reports())
        await asyncio.sleep(REPORT_EVERY_S)
