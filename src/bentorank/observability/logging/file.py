"""The log file: several processes write and rotate it, each from a thread that nothing else waits for."""

from __future__ import annotations

import atexit
import logging
import queue
import threading
import time
from logging.handlers import QueueHandler, QueueListener
from typing import TYPE_CHECKING, Any

from concurrent_log_handler import ConcurrentRotatingFileHandler

from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from bentorank.observability.logging.options import LogFile

# A few megabytes of lines: what a second of requests makes, while a disk has a bad moment.
MAX_WAITING_LINES = 10_000
LAST_LINES_WITHIN_S = 1.0
COMPLAIN_EVERY_S = 60.0


def open_log_file(file: LogFile, formatter: logging.Formatter, complaints: logging.Logger) -> BackgroundFile:
    """A handler that writes to it. Raises ConfigurationError, without the path, if that is not possible.

    `complaints` is told when it is not later; it must not lead back here.
    """
    try:
        file.path.open("ab").close()
    except OSError as error:
        reason = error.strerror or "cannot be written to"
        raise ConfigurationError(f"BENTORANK_LOG_FILE: {reason}") from None
    handler = BackgroundFile(_RotatingFile(file, complaints))
    handler.setFormatter(formatter)
    return handler


class BackgroundFile(QueueHandler):
    """Formats a line at once and leaves the writing to a thread; what does not fit into its queue is dropped.

    A disk that hangs, or a stopped process that holds the file's lock, must not stop requests.
    """

    def __init__(self, target: logging.Handler) -> None:
        self._lines: queue.Queue[Any] = queue.Queue(MAX_WAITING_LINES)
        super().__init__(self._lines)
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
            self._lines.put_nowait(record)
        except queue.Full:
            return

    def _wait_until_written(self) -> None:
        end = time.monotonic() + LAST_LINES_WITHIN_S
        while self._lines.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.005)

    def _write_last_lines(self) -> None:
        ending = threading.Thread(target=self._writer.stop, daemon=True)
        ending.start()
        ending.join(LAST_LINES_WITHIN_S)


class _RotatingFile(ConcurrentRotatingFileHandler):
    """Complains about what it cannot write once a minute, elsewhere."""

    def __init__(self, file: LogFile, complaints: logging.Logger) -> None:
        super().__init__(
            str(file.path), "a", maxBytes=file.max_bytes, backupCount=max(1, file.count - 1), encoding="utf-8"
        )
        self._complaints = complaints
        self._complained_at = float("-inf")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's
        """See logging.Handler."""
        now = time.monotonic()
        if now - self._complained_at >= COMPLAIN_EVERY_S:
            self._complained_at = now
            self._complaints.warning("the log file cannot be written to: lines are lost there", exc_info=False)
