"""Runs the load generator in a process of its own against a server."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_S = 600


def run_load(url: str, bodies: Path, *options: str) -> dict[str, Any]:
    """Send the bodies; a `LoadSummary` as plain data. `options` are those of `python -m benchmarks.load`."""
    command = [sys.executable, "-m", "benchmarks.load", "--url", url, "--bodies", str(bodies), *options]
    answer = subprocess.run(
        [*command, "--limit-s", str(LIMIT_S)], stdout=subprocess.PIPE, check=True, timeout=LIMIT_S + 60
    )
    summary: dict[str, Any] = orjson.loads(answer.stdout)
    return summary
