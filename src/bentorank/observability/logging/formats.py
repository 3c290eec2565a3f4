"""A log record as a line of text or as JSON. Both carry what a call gave as `extra`.

`fields` among it go into JSON alone: what the message tells people, for programs.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.orjson import OrjsonFormatter

from bentorank.observability.logging.options import FIELDS, LogFormat

# What a terminal, or a reader of lines, would obey instead of showing it.
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Python 3.12 and uvicorn leave these on records.
NOT_EXTRA = frozenset({*RESERVED_ATTRS, "taskName", "color_message", FIELDS})


def make_formatter(log_format: LogFormat, process: str) -> logging.Formatter:
    """`process` is the name of this one, such as `worker 1`."""
    return JsonFormatter(process) if log_format is LogFormat.JSON else ConsoleFormatter(process)


class JsonFormatter(OrjsonFormatter):
    """An object a line: time, level, process, pid, logger, message, each extra, and the traceback if there is one."""

    def __init__(self, process: str) -> None:
        super().__init__("{message}", style="{")
        self._process = process

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """See BaseJsonFormatter."""
        log_data |= {
            "time": _utc(record),
            "level": record.levelname.lower(),
            "process": self._process,
            "pid": record.process,
            "logger": record.name,
            "message": record.message,
            **extras_of(record),
            **getattr(record, FIELDS, {}),
        }
        if "exc_info" in message_dict:
            log_data["exception"] = message_dict["exc_info"]


class ConsoleFormatter(logging.Formatter):
    """Time, level, process, logger, message, then `name=value` of each extra; a traceback on lines of its own."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        extras = [f"{name}={value}" for name, value in extras_of(record).items()]
        said = CONTROL_CHARACTERS.sub(_escaped, " ".join([record.getMessage(), *extras]))
        line = f"{_utc(record)} {record.levelname:<8} [{self._process}] {record.name}: {said}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def extras_of(record: logging.LogRecord) -> dict[str, Any]:
    """What the call gave beside the message."""
    return {name: value for name, value in record.__dict__.items() if name not in NOT_EXTRA}


def _utc(record: logging.LogRecord) -> str:
    """As RFC 3339 has it."""
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return f"{time.removesuffix('+00:00')}Z"


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
