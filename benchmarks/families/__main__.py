"""`python -m benchmarks.families`: the README's table of families, from the record of the tests' matrix."""

from __future__ import annotations

from pathlib import Path

from benchmarks.families.record import read_record
from benchmarks.families.tables import renew

README = Path(__file__).parents[2] / "README.md"

if __name__ == "__main__":
    renew(README, read_record()["cells"])
