"""A worker whose supervisor was killed: it would hold the port against the next one, with nobody to stop it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal

POLL_S = 1.0

logger = logging.getLogger(__name__)


async def stop_when_orphaned() -> None:
    """Stop this process as a SIGTERM would, once its parent is gone."""
    supervisor = os.getppid()
    while os.getppid() == supervisor:  # noqa: ASYNC110 - nobody is there to set an event
        await asyncio.sleep(POLL_S)
    logger.warning("the supervisor is gone: stopping")
    os.kill(os.getpid(), signal.SIGTERM)
