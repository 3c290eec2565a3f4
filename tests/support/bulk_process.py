"""`bentorank bulk` as a process of its own, slow enough to be ended on the way."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

from support.server import BIN, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Fifty passes a second, of some documents each.
SLOW = {"engine": "fake", "fake_batch_delay_ms": 20, "max_batch_tokens": 32}
PART_ROWS = 8


@contextlib.contextmanager
def running(
    tmp_path: Path, lists: Path, out: Path, *options: str, **settings: object
) -> Iterator[subprocess.Popen[str]]:
    """The command as a process; killed at the end if it still runs."""
    process = subprocess.Popen(
        [
            str(BIN / "bentorank"),
            "bulk",
            "--in",
            str(lists),
            "--out",
            str(out),
            "--part-rows",
            str(PART_ROWS),
            *options,
        ],
        env=environment(tmp_path / "home", **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run_to_its_end(tmp_path: Path, lists: Path, out: Path, *options: str, **settings: object) -> tuple[int, str]:
    """The status and what was written to the terminal."""
    with running(tmp_path, lists, out, *options, **settings) as process:
        output, _ = process.communicate(timeout=300)
    return process.returncode, output


def parts(out: Path) -> list[Path]:
    """The files that are finished."""
    return [*out.glob("part-*")]
