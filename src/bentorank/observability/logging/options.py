"""How the log is written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


# What a line has as `extra` for programs alone: a dict under this name.
FIELDS = "fields"


class LogFormat(StrEnum):
    """Lines for people, or an object a line for programs."""

    CONSOLE = "console"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file that is renamed when it has `max_bytes`; `count` files are kept, that one among them."""

    path: Path
    max_bytes: int
    count: int


@dataclass(frozen=True, slots=True)
class LogOptions:
    """`level` is that of our own lines; those of others are written from WARNING."""

    level: str
    format: LogFormat
    file: LogFile | None = None
