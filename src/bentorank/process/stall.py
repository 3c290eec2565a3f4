"""A worker whose forward pass hangs: no thread can be stopped from outside, so the process has to go."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from bentorank.process import exit_status

if TYPE_CHECKING:
    from bentorank.scheduling import Device

POLL_S = 0.5
ANSWERS_ARE_SENT_WITHIN_S = 0.5

logger = logging.getLogger(__name__)


async def leave_when_stalled(device: Device) -> None:
    """Once a forward pass hangs, answer 503 to all who wait, so that they come back, and end the process."""
    while not device.is_stalled:  # noqa: ASYNC110 - a pass that hangs sets no event
        await asyncio.sleep(POLL_S)
    logger.critical("a forward pass hangs: leaving, for a new worker to start")
    device.close(timeout_s=0)
    await asyncio.sleep(ANSWERS_ARE_SENT_WITHIN_S)
    os._exit(exit_status.STALLED)
