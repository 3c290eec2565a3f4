"""Reads a file of settings: `NAME=value` lines as `docker run --env-file` takes them, which `bentorank tune` writes."""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING

from dotenv.parser import parse_stream

if TYPE_CHECKING:
    from pathlib import Path

    from dotenv.parser import Binding


NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_env_file(path: Path) -> dict[str, str]:
    """Values by name, comments and quotes left out. Raises ValueError, without the path, for what cannot be read."""
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError("the file is not UTF-8 text") from None
    except OSError as error:
        raise ValueError(error.strerror or "the file cannot be read") from None
    # Not `dotenv_values`, which skips a line that it cannot read: the keys' line, perhaps. Docker replaces no ${NAME}
    # in such a file either.
    return dict(_setting(line) for line in parse_stream(StringIO(text)) if line.error or line.key is not None)


def _setting(line: Binding) -> tuple[str, str]:
    """Raises ValueError, without what the line says, which may be a key."""
    text = line.original.string
    number = line.original.line + text[: len(text) - len(text.lstrip())].count("\n")
    if line.error or line.key is None or not NAME.fullmatch(line.key):
        raise ValueError(f"line {number} cannot be read: write NAME=value, with both quotes or none")
    if line.value is None:
        raise ValueError(f"line {number} has no value: write NAME=value")
    # It would swallow the lines up to the next one: the keys', perhaps.
    if "\n" in line.value or "\r" in line.value:
        raise ValueError(f"line {number} has a quote that does not end on it")
    return line.key, line.value
