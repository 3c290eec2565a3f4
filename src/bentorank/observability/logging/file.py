"""The log file, which several processes write and rotate."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from concurrent_log_handler import ConcurrentRotatingFileHandler

from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from bentorank.observability.logging.options import LogFile

COMPLAIN_EVERY_S = 60.0


def open_log_file(file: LogFile, complaints: logging.Logger) -> RotatingFile:
    """The file, open. Raises ConfigurationError, without the path, if that is not possible.

    `complaints` is told when it is not later; it must not lead back here.
    """
    try:
        file.path.open("ab").close()
    except OSError as error:
        reason = error.strerror or "cannot be written to"
        raise ConfigurationError(f"BENTORANK_LOG_FILE: {reason}") from None
    return RotatingFile(file, complaints)


class RotatingFile(ConcurrentRotatingFileHandler):
    """Complains about what it cannot write once a minute, elsewhere."""

    def __init__(self, file: LogFile, complaints: logging.Logger) -> None:
        super().__init__(
            str(file.path), "a", maxBytes=file.max_bytes, backupCount=max(1, file.count - 1), encoding="utf-8"
        )
        self._complaints = complaints
        self._complained_at = float("-inf")

    def write(self, line: str) -> None:
        """Append it, perhaps to a new file."""
        self.handle(logging.LogRecord("", logging.NOTSET, "", 0, line, None, None))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's
        """See logging.Handler."""
        now = time.monotonic()
        if now - self._complained_at >= COMPLAIN_EVERY_S:
            self._complained_at = now
            self._complaints.warning("the log file cannot be written to: lines are lost there", exc_info=False)
