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
# Figures of another run differ in the digits after these.
_DIGITS = 2
_CORRELATION_PLACES = 4


def write_record(file: Path, cells: Sequence[dict[str, Any]]) -> None:
    """These cells in place of the same ones of an earlier run, with the machine and the versions of this one."""
    kept = {_place(cell): cell for cell in read_record(file)["cells"]} if file.exists() else {}
    kept |= {_place(cell): {key: _round(key, value) for key, value in cell.items()} for cell in cells}
    machine = orjson.dumps(asdict(describe_machine())).decode()
    # A line each, so that a difference shows what changed.
    lines = ",\n".join(orjson.dumps(cell).decode() for cell in kept.values())
    file.write_text(f'{{"machine": {machine},\n"cells": [\n{lines}\n]}}\n', encoding="utf-8")


def read_record(file: Path = RECORD) -> dict[str, Any]:
    """What was written last."""
    record: dict[str, Any] = orjson.loads(file.read_bytes())
    return record


def _place(cell: dict[str, Any]) -> tuple[str, ...]:
    return (cell["family"], cell["engine"], cell["precision"], cell["overflow"])


def _round(key: str, value: Any) -> Any:  # noqa: ANN401 - a cell's value
    if not isinstance(value, float):
        return value
    return round(value, _CORRELATION_PLACES) if key == "correlation" else float(f"{value:.{_DIGITS - 1}e}")
