"""Rounds in which every target answers the same requests, in alternating order."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rich.progress import track

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.harness.request_sets import Request
    from benchmarks.harness.targets import Target

# Threads of the process measured last stop spinning before the next one is measured.
SETTLE_S = 1.0


def measure_rounds(targets: Sequence[Target], rounds: Sequence[Sequence[Request]]) -> list[dict[str, Any]]:
    """Results by target for each round. Every other round goes backwards, so that drift favours nobody."""
    turns = [
        (number, target) for number in range(len(rounds)) for target in (reversed(targets) if number % 2 else targets)
    ]
    measured: list[dict[str, Any]] = [{target.name: None for target in targets} for _ in rounds]
    for number, target in track(turns, "measuring", transient=True):
        time.sleep(SETTLE_S)
        measured[number][target.name] = target.measure(rounds[number])
    return measured
