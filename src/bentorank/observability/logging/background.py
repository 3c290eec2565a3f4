"""Lines are formatted where they are logged and written by a thread, so that nobody waits for who reads the log."""

from __future__ import annotations

import atexit
import logging
import queue
import threading
import time
from logging.handlers import QueueHandler, QueueListener
from typing import Any

# A few megabytes of lines: what a second of requests makes, while a disk or a reader has a bad moment.
MAX_WAITING_LINES = 10_000
LAST_LINES_WITHIN_S = 1.0


class Background(QueueHandler):
    """Hands lines to `target` from a thread of its own; what does not fit into the queue is dropped, and counted.

    A pipe that nobody reads, a disk that hangs, or a stopped process that holds a file's lock must not stop requests.
    """

    def __init__(self, target: logging.Handler) -> None:
        self._lines: queue.Queue[Any] = queue.Queue(MAX_WAITING_LINES)
        super().__init__(self._lines)
        self._dropped = 0
        self._writer = QueueListener(self._lines, target)
        self._writer.start()
        atexit.register(self._write_last_lines)

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler. After a critical line the process may leave without cleaning up: it waits a little."""
        super().emit(record)
        if record.levelno >= logging.CRITICAL:
            self._wait_until_written()

    def enqueue(self, record: logging.LogRecord) -> None:
        """See QueueHandler."""
        try:
            if self._dropped:
                self._lines.put_nowait(self.prepare(_dropped(self._dropped)))
                self._dropped = 0
            self._lines.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def _wait_until_written(self) -> None:
        end = time.monotonic() + LAST_LINES_WITHIN_S
        while self._lines.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.005)

    def _write_last_lines(self) -> None:
        ending = threading.Thread(target=self._writer.stop, daemon=True)
        ending.start()
        ending.join(LAST_LINES_WITHIN_S)


def _dropped(count: int) -> logging.LogRecord:
    message = "%d lines before this one are lost: they came faster than they were written"
    return logging.LogRecord(__name__, logging.WARNING, "", 0, message, (count,), None)
