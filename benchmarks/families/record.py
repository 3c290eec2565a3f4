"""The record of the matrix: what each combination of family, engine, precision and overflow came to."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.harness.machine import describe_machine
from benchmarks.harness.results_files import RESULTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RECORD = RESULTS / "families.json"
# Figures of another run differ in the last digits, which are nobody's business.
_DIGITS = 3


def write_record(file: Path, cells: Sequence[dict[str, Any]]) -> None:
    """All cells, with the machine and the versions that they came from."""
    record = {"machine": asdict(describe_machine()), "cells": [_rounded(cell) for cell in cells]}
    file.write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def read_record(file: Path = RECORD) -> dict[str, Any]:
    """What was written last."""
    record: dict[str, Any] = orjson.loads(file.read_bytes())
    return record


def _rounded(cell: dict[str, Any]) -> dict[str, Any]:
    return {key: _round(key, value) for key, value in cell.items()}


def _round(key: str, value: Any) -> Any:  # noqa: ANN401 - a cell's value
    if not isinstance(value, float):
        return value
    return round(value, 6) if key == "correlation" else float(f"{value:.{_DIGITS - 1}e}")
