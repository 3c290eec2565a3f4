"""Imports what only `bentorank[parquet]` or `bentorank[bulk]` installs, and says so where it is missing."""

from __future__ import annotations

import importlib
import os
from typing import Any

from bentorank.bulk.errors import BulkError
from bentorank.installing import install_extra

RAY_UNLESS_SET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_LOG_LEVEL": "ERROR",
}


def pyarrow(module: str) -> Any:  # noqa: ANN401 - a module without types
    """A module of pyarrow. Raises BulkError that says how to install it."""
    return _import(f"pyarrow.{module}" if module else "pyarrow", "parquet", "Parquet needs pyarrow")


def ray_data() -> Any:  # noqa: ANN401 - a module without types
    """The module ray.data, which sends nothing to anybody and keeps its notes to itself unless the environment says so.

    Raises BulkError that says how to install it.
    """
    for name, value in RAY_UNLESS_SET.items():
        os.environ.setdefault(name, value)
    return _import("ray.data", "bulk", "--address needs Ray")


def _import(module: str, extra: str, why: str) -> Any:  # noqa: ANN401 - as above
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise BulkError(f"{why}: {install_extra(extra)}") from error
