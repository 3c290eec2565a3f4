"""Reads a file of settings: `NAME=value` lines as `docker run --env-file` takes them, which `bentorank tune` writes."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from dotenv import dotenv_values

if TYPE_CHECKING:
    from pathlib import Path


def read_env_file(path: Path) -> dict[str, str]:
    """Values by name, comments and quotes left out. Raises ValueError, without the path, for what cannot be read."""
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError("the file is not UTF-8 text") from None
    except OSError as error:
        raise ValueError(error.strerror or "the file cannot be read") from None
    # Docker replaces no ${NAME} in such a file either.
    values = dotenv_values(stream=StringIO(text), interpolate=False)
    return {name: _required(name, value) for name, value in values.items()}


def _required(name: str, value: str | None) -> str:
    if value is None:
        raise ValueError(f"the line {name} has no value: write {name}=value")
    return value
