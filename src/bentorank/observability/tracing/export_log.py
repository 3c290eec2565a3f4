"""What OpenTelemetry has to say goes into our log: a line a minute at most, and none of the values in it.

Its messages quote headers of OTLP, which hold keys, and what a collector answers.
"""

from __future__ import annotations

import logging
import time

EVERY_S = 60.0
# Of the texts in its messages, those that are its own.
OWN_WORDS = frozenset({"spans", "Span"})

logger = logging.getLogger(__name__)


def log_without_values() -> None:
    """Take over every line of OpenTelemetry's, once."""
    theirs = logging.getLogger("opentelemetry")
    theirs.propagate = False
    if not any(isinstance(handler, _WithoutValues) for handler in theirs.handlers):
        theirs.addHandler(_WithoutValues(logging.WARNING))


class _WithoutValues(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._silent_until = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        """Under the handler's lock: the exporter has a thread of its own."""
        now = time.monotonic()
        if now < self._silent_until:
            return
        self._silent_until = now + EVERY_S
        kind = record.exc_info[0] if record.exc_info else None
        logger.warning("tracing: %s%s", _without_values(record), f" ({kind.__name__})" if kind else "")


def _without_values(record: logging.LogRecord) -> str:
    """The message with numbers and the names of exceptions alone."""
    if not isinstance(record.args, tuple):
        return record.msg if isinstance(record.msg, str) and not record.args else type(record.msg).__name__
    try:
        return str(record.msg) % tuple(_shown(value) for value in record.args)
    except (TypeError, ValueError):
        return "a message that cannot be shown"


def _shown(value: object) -> object:
    if value is None or isinstance(value, int | float) or value in OWN_WORDS:
        return value
    return type(value).__name__ if isinstance(value, BaseException) else "…"
