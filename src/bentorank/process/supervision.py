"""A worker whose supervisor was killed: it would hold the port against the next one, with nobody to stop it."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time

# Not one of our settings, whose names begin otherwise.
SUPERVISOR_VARIABLE = "_BENTORANK_SUPERVISOR_PID"
POLL_S = 1.0
# BSD's EX_UNAVAILABLE.
EXIT_ORPHANED = 69

logger = logging.getLogger(__name__)


def name_supervisor() -> None:
    """This process: workers that it starts from now on know whose they are, even if it is gone when they first look."""
    os.environ[SUPERVISOR_VARIABLE] = str(os.getpid())


def stop_when_orphaned(*, grace_s: float) -> None:
    """Watch from a thread, also while the model loads; once the parent is gone, stop as a SIGTERM would, or hard."""
    supervisor = int(os.environ.get(SUPERVISOR_VARIABLE, os.getppid()))
    watch = threading.Thread(target=_watch, args=(supervisor, grace_s), name="orphan-watch", daemon=True)
    watch.start()


def _watch(supervisor: int, grace_s: float) -> None:
    while os.getppid() == supervisor:
        time.sleep(POLL_S)
    logger.warning("the supervisor is gone: stopping")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_s)
    os._exit(EXIT_ORPHANED)
