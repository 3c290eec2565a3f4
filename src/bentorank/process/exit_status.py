"""What a worker's exit status tells its supervisor."""

from __future__ import annotations

import signal
from enum import StrEnum
from typing import Final

# BSD's EX_SOFTWARE: the model thread died, and only a new process can help.
MODEL_THREAD_DIED: Final = 70
# BSD's EX_IOERR: nothing runs on the device any more in this process, and a new one may find it well.
DEVICE_LOST: Final = 74
# BSD's EX_TEMPFAIL: a forward pass hangs, and only a new process can help.
STALLED: Final = 75
# BSD's EX_CONFIG: the settings ask for what cannot be had.
CANNOT_START: Final = 78
_KILLED: Final = 128


class LossReason(StrEnum):
    """Why a worker had to be replaced."""

    DIED = "died"
    MODEL_THREAD_DIED = "model_thread_died"
    DEVICE_LOST = "device_lost"
    STALLED = "stalled"
    SILENT = "silent"
    CANNOT_START = "cannot_start"


_REASONS: Final = {
    MODEL_THREAD_DIED: LossReason.MODEL_THREAD_DIED,
    DEVICE_LOST: LossReason.DEVICE_LOST,
    STALLED: LossReason.STALLED,
    CANNOT_START: LossReason.CANNOT_START,
}


def loss_reason(status: int, *, was_silent: bool) -> LossReason:
    """Why the worker ended; `was_silent` if the supervisor has ended it."""
    if was_silent:
        return LossReason.SILENT
    return _REASONS.get(status, LossReason.DIED)


def told(status: int) -> str:
    """In the log. Nobody but the kernel is likely to kill a worker in a way that it cannot handle."""
    return f"status {status}" + (", most likely killed for want of memory" if status == -signal.SIGKILL else "")


def as_shells_say(status: int) -> int:
    """137 for -9, a process killed by signal 9; never 0, since a worker that ends unasked has failed."""
    return _KILLED - status if status < 0 else status or 1
