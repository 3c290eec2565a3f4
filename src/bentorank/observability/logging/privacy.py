"""Exceptions whose text may quote a request."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

# BentoML logs each failed call of its API routes with the whole traceback, and pydantic's errors quote the input; what
# the others log was raised while a request was served.
LOGGERS_THAT_QUOTE_INPUT = (
    "asyncio",
    "bentoml._internal.server.http_app",
    "bentoml._internal.marshal.dispatcher",
    "concurrent.futures",
    "uvicorn.error",
)

logger = logging.getLogger(__name__)


def leave_out_quotations() -> None:
    """Log exceptions by their type and place alone where their text may be a caller's."""
    for name in LOGGERS_THAT_QUOTE_INPUT:
        each = logging.getLogger(name)
        if without_exception_text not in each.filters:
            each.addFilter(without_exception_text)


def log_uncaught_exceptions() -> None:
    """What ends the process, or one of its threads, or is raised where nobody can catch it, in the log's own format."""
    sys.excepthook = _log_end_of_process
    threading.excepthook = _log_end_of_thread
    sys.unraisablehook = _log_unraisable


def without_exception_text(record: logging.LogRecord) -> bool:
    """Keep the type of a logged exception and where it was raised, and drop its message and traceback.

    Of the message itself the first line: in those after it asyncio shows the task that failed, its exception included.
    """
    if record.exc_info:
        said, _, _ = record.getMessage().partition("\n")
        record.msg = f"{said}: {told_without_text(record.exc_info[1])}"
        record.args = None
        record.exc_info = None
    return True


def told_without_text(error: BaseException | None) -> str:
    """An exception's type and place."""
    frames = traceback.extract_tb(error.__traceback__) if error else []
    place = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__ if error else 'unknown error'}{place}"


def _log_end_of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logger.critical("the process ends", exc_info=(kind, error, trace))


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    logger.error("a thread ended: %s", told_without_text(ended.exc_value))


def _log_unraisable(raised: sys.UnraisableHookArgs) -> None:
    logger.error("an exception that nobody could catch: %s", told_without_text(raised.exc_value))
