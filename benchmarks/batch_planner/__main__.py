"""Instructions that planning a batch takes, as callgrind counts them: of this commit and of another."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

# What starting takes is in both counts.
FEW, MANY = 1, 11
DRAIN = Path(__file__).with_name("drain.py")


def main(
    against: Annotated[Path | None, typer.Option(help="A checkout of another commit to compare with.")] = None,
) -> None:
    """Queueing and planning, for 32 requests of 10 to 100 documents; needs valgrind."""
    console = Console()
    here = instructions_a_batch(Path(__file__).parents[2])
    console.print(f"{here:,.0f} instructions a batch")
    if against is not None:
        there = instructions_a_batch(against.resolve())
        console.print(f"{there:,.0f} in {against}: x {here / there:.3f}")


def instructions_a_batch(checkout: Path) -> float:
    """By the sources of a checkout."""
    (few, instructions), (many, more_instructions) = (_count(checkout, times) for times in (FEW, MANY))
    return (more_instructions - instructions) / (many - few)


def _count(checkout: Path, times: int) -> tuple[int, int]:
    """Batches and instructions."""
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(checkout / "src"),
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [*callgrind, sys.executable, str(DRAIN), str(times)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    counted = re.search(r"Collected : (\d+)", done.stderr)
    assert counted is not None, "callgrind counted nothing"
    return int(done.stdout), int(counted.group(1))


if __name__ == "__main__":
    typer.run(main)
