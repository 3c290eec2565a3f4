"""Our log lines: one handler on the `bentorank` logger. BentoML leaves the root logger at WARNING."""

from __future__ import annotations

import logging
import sys

# BentoML logs each failed call of its API routes with the whole traceback, and pydantic's errors quote the input.
LOGGERS_THAT_QUOTE_INPUT = ("bentoml._internal.server.http_app", "bentoml._internal.marshal.dispatcher")

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure_logging(level: str) -> None:
    """Write the package's log lines of `level` and worse to standard error, once, whatever the root logger does."""
    logger = logging.getLogger("bentorank")
    logger.setLevel(level.upper())
    logger.propagate = False
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(FORMAT))
        logger.addHandler(handler)
    for name in LOGGERS_THAT_QUOTE_INPUT:
        logging.getLogger(name).addFilter(_without_exception_text)


def _without_exception_text(record: logging.LogRecord) -> bool:
    """Keep the type of a logged exception and drop its message and traceback, which may quote queries and documents."""
    if record.exc_info:
        kind = record.exc_info[0]
        record.msg = f"{record.getMessage()}: {kind.__name__ if kind else 'unknown error'}"
        record.args = None
        record.exc_info = None
    return True
