"""Loads one of a job's models behind a queue that refuses nothing: whoever hands work over waits for it."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from bentorank.engines.loading import load_engine
from bentorank.scheduling import Scheduler
from bentorank.wiring import engine_options, scheduler_limits

if TYPE_CHECKING:
    from bentorank.engines.protocol import Engine
    from bentorank.model_list import ModelEntry
    from bentorank.scheduling import Device, SchedulerLimits
    from bentorank.settings import Settings


class Scheduled(NamedTuple):
    """A model that is warm, and its queue."""

    engine: Engine
    scheduler: Scheduler
    limits: SchedulerLimits


def load_scheduled(settings: Settings, device: Device, entry: ModelEntry | None = None, *, models: int) -> Scheduled:
    """One of so many models on a device: that of `entry`, else the one that ranks.

    Raises ConfigurationError where it cannot be loaded as asked.
    """
    engine = load_engine(engine_options(settings, worker_index=1, entry=entry, models=models))
    started = time.monotonic()
    engine.warm_up()
    warmed_up_in_s = time.monotonic() - started
    limits = replace(scheduler_limits(settings, engine.info, models=models), max_queue_tokens=sys.maxsize)
    scheduler = Scheduler(engine, limits, device=device, warmed_up_in_s=warmed_up_in_s)
    scheduler.start()
    return Scheduled(engine, scheduler, limits)
