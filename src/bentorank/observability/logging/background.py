"""Lines are formatted where they are logged and written by a thread, so that nobody waits for who reads the log."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# A few megabytes of lines: what a second of requests makes, while a disk or a reader has a bad moment.
MAX_WAITING_LINES = 10_000
# To wake a thread for each line costs as much as to make the line.
GATHER_S = 0.02
LAST_LINES_WITHIN_S = 1.0
POLL_S = 0.005


class Background(logging.Handler):
    """Gives lines to `write` from a thread of its own; those that come while too many wait are dropped, and counted.

    A pipe that nobody reads, a disk that hangs, or a stopped process that holds a file's lock must not stop requests.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._wake = threading.Event()
        threading.Thread(target=self._write_for_ever, name="log", daemon=True).start()
        atexit.register(self._wait_until_written)

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler. After a critical line the process may leave without cleaning up: it waits a little."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as every handler of logging's
            self.handleError(record)
            return
        if len(self._lines) >= MAX_WAITING_LINES:
            self._dropped += 1
            return
        if self._dropped:
            self._lines.append(self.format(_lost(self._dropped)))
            self._dropped = 0
        self._lines.append(line)
        if not self._wake.is_set():
            self._wake.set()
        if record.levelno >= logging.CRITICAL:
            self._wait_until_written()

    def _write_for_ever(self) -> None:
        while self._wake.wait():
            time.sleep(GATHER_S)
            self._wake.clear()
            while self._lines:
                self._write(self._lines[0])
                self._lines.popleft()

    def _wait_until_written(self) -> None:
        end = time.monotonic() + LAST_LINES_WITHIN_S
        while self._lines and time.monotonic() < end:
            time.sleep(POLL_S)


def _lost(count: int) -> logging.LogRecord:
    message = "%d lines before this one are lost: they came faster than they were written"
    return logging.LogRecord(__name__, logging.WARNING, "", 0, message, (count,), None)
