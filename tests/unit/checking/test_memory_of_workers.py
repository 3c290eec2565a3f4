"""What a check says of memory where several workers share it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bentorank.checking.check import Report
from bentorank.checking.report import as_table
from bentorank.checking.steps import Memory

MIB = 2**20


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        (1, "at most 256 MiB in all, of 1.0 GiB here (25%)"),
        (2, "at most 512 MiB in all for 2 workers together, of 1.0 GiB here (50%)"),
    ],
)
def test_all_workers_count(workers: int, said: str) -> None:
    """Each holds a model of its own."""
    memory = Memory(100 * MIB, 20 * MIB, peak_bytes=256 * MIB, usable_bytes=1024 * MIB, longest_tokens=512)
    console = Console(file=io.StringIO(), width=400, record=True)
    console.print(as_table(Report("starter", memory=memory, workers=workers)))
    assert said in console.export_text()
