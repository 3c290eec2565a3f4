"""One stream, one format and one place for every logger of the process."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from bentoml._internal.log import TraceRecordFilter

from bentorank.observability.logging.background import Background
from bentorank.observability.logging.formats import make_formatter
from bentorank.observability.logging.options import LogFormat
from bentorank.observability.logging.privacy import leave_out_quotations, log_uncaught_exceptions
from bentorank.observability.logging.standard_output import StandardOutput

if TYPE_CHECKING:
    from bentorank.observability.logging.options import LogOptions

# tqdm's, and the model hub's. A bar is many lines to a program, and none of them is JSON.
NO_PROGRESS_BARS = {"TQDM_DISABLE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
# They come with handlers of their own, by BentoML's configuration.
LOGGERS_OF_OTHERS = ("bentoml", "circus", "uvicorn", "uvicorn.error", "py.warnings")

SUPERVISOR = "supervisor"


def configure_logging(options: LogOptions, process: str) -> None:
    """Write to standard output, and to the file if there is one. `process` names this one in each line.

    Only where BentoML has prepared the process to serve: whoever builds, tests or imports the service keeps their own
    configuration. Raises ConfigurationError for a file that cannot be written to.
    """
    root = logging.getLogger()
    if not any(isinstance(each, TraceRecordFilter) for handler in root.handlers for each in handler.filters):
        return
    formatter = make_formatter(options.format, process)
    stream = Background(StandardOutput().write)
    handlers = [stream]
    if options.file is not None:
        from bentorank.observability.logging.file import open_log_file  # noqa: PLC0415 - it brings Redis' client, 150 ms

        handlers.append(Background(open_log_file(options.file, _complaints(stream)).write))
    for handler in handlers:
        handler.setFormatter(formatter)
    root.handlers = [*handlers]
    root.setLevel(logging.WARNING)
    _enable_all()
    for name in LOGGERS_OF_OTHERS:
        other = logging.getLogger(name)
        other.handlers, other.propagate = [], True
        # BentoML tells of each of its hooks; and what others tell below a warning may quote paths and bodies.
        other.setLevel(logging.WARNING)
    if process == SUPERVISOR:
        # It tells where it listens; a worker, in the same name, of each of its hooks.
        logging.getLogger("bentoml.serve").setLevel(logging.INFO)
    logging.getLogger("bentorank").setLevel(options.level.upper())
    if options.format is LogFormat.JSON:
        for name, value in NO_PROGRESS_BARS.items():
            os.environ.setdefault(name, value)
    logging.captureWarnings(capture=True)
    leave_out_quotations()
    log_uncaught_exceptions()


def _enable_all() -> None:
    """BentoML's configuration has silenced every logger that was there before it: asyncio's, and some of ours."""
    for each in logging.Logger.manager.loggerDict.values():
        if isinstance(each, logging.Logger):
            each.disabled = False


def _complaints(stream: logging.Handler) -> logging.Logger:
    logger = logging.getLogger("bentorank.log_file")
    logger.handlers, logger.propagate = [stream], False
    return logger
