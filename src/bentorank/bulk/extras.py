"""Imports what only `bentorank[parquet]` or `bentorank[bulk]` installs, and says so where it is missing."""

from __future__ import annotations

import os
from typing import Any

from bentorank.installing import import_extra

RAY_UNLESS_SET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_LOG_LEVEL": "ERROR",
}


def pyarrow(module: str) -> Any:  # noqa: ANN401 - a module without types
    """A module of pyarrow. Raises MissingExtraError that says how to install it."""
    return import_extra(f"pyarrow.{module}" if module else "pyarrow", extra="parquet", why="Parquet needs pyarrow")


def ray_data() -> Any:  # noqa: ANN401 - a module without types
    """The module ray.data, which sends nothing to anybody and keeps its notes to itself unless the environment says so.

    Raises MissingExtraError that says how to install it.
    """
    for name, value in RAY_UNLESS_SET.items():
        os.environ.setdefault(name, value)
    return import_extra("ray.data", extra="bulk", why="--address needs Ray")
