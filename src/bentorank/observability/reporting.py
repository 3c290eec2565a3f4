"""Carries the scheduler's records into the metrics, off the way of the requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bentorank.observability import metrics

if TYPE_CHECKING:
    from bentorank.scheduling import Scheduler

REPORT_EVERY_S = 0.5


async def report_for_ever(scheduler: Scheduler) -> None:
    """Count the batches run and show the queue, until cancelled."""
    while True:
        metrics.record_batches(scheduler.collect_records())
        metrics.record_queue(scheduler.state)
        await asyncio.sleep(REPORT_EVERY_S)
