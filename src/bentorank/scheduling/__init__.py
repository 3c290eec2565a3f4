"""The adaptive batcher that every route shares: admission, fair queue, batch planner, model thread."""

from bentorank.scheduling.device import Device
from bentorank.scheduling.isolation import Outcome
from bentorank.scheduling.limits import SchedulerLimits
from bentorank.scheduling.scheduler import Scheduler

__all__ = ["Device", "Outcome", "Scheduler", "SchedulerLimits"]
