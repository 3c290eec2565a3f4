"""What a load run comes to, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.load.exchange import Exchanges

PERCENTILES = (50, 90, 95, 99, 100)


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """`pairs_per_s` counts scored documents only; `generator_cpu_s` is CPU time of the generator itself."""

    requests: int
    failures: dict[str, int]
    seconds: float
    pairs: int
    pairs_per_s: float
    latency_ms: dict[str, float]
    generator_cpu_s: float
    latest_start_ms: float = 0.0


def summarise(done: Exchanges, *, seconds: float, cpu_s: float, latest_s: float = 0.0) -> LoadSummary:
    """Throughput over the whole run, and latency percentiles of the answered requests."""
    pairs = done.results()
    return LoadSummary(
        requests=len(done.seconds) + done.failures.total(),
        failures=dict(done.failures),
        seconds=seconds,
        pairs=pairs,
        pairs_per_s=pairs / seconds,
        latency_ms=percentiles_ms(done.seconds),
        generator_cpu_s=cpu_s,
        latest_start_ms=latest_s * 1e3,
    )


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Milliseconds by name of the percentile; empty if there are none."""
    values = (np.percentile(seconds, PERCENTILES) * 1e3).tolist() if seconds else []
    return {f"p{share}": ms for share, ms in zip(PERCENTILES, values, strict=False)}
