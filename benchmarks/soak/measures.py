"""What a log says: growth, latency at the beginning and at the end, failures nobody asked for. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.soak.traffic import EXPECTED, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.soak.log import Ended, Record, Sample

MINUTE_S = 60.0
# What is filled, compiled or kept once is so by then. A shorter run gets a quarter of itself.
SETTLED_AFTER_S = 5 * MINUTE_S
SHORT_RUN_SHARE = 0.25


def measure(record: Record) -> dict[str, Any]:
    """Everything that the report and its targets need."""
    whole_s = max(sample.at_s for sample in record.samples)
    window_s = min(SETTLED_AFTER_S, SHORT_RUN_SHARE * whole_s)
    settled = [sample for sample in record.samples if sample.at_s >= window_s]
    ordinary = [each for each in record.ended if each.kind == Kind.ORDINARY]
    first = p99_ms([each for each in ordinary if each.due_s < window_s])
    last = p99_ms([each for each in ordinary if each.due_s >= whole_s - window_s])
    return {
        "minutes": whole_s / MINUTE_S,
        "window_minutes": window_s / MINUTE_S,
        "requests": len(record.ended),
        "faults": sum(each.kind != Kind.ORDINARY for each in record.ended),
        "rss_slope_mib_per_min": slope_per_min(settled, "rss_mib"),
        "cache_slope_mib_per_min": slope_per_min(settled, "cache_mib"),
        "rss_growth_mib": _median(settled[-3:], "rss_mib") - _median(settled[:3], "rss_mib"),
        "idle": {name: idle_change(record.idle, name) for name in ("descriptors", "threads", "tasks")},
        "p99_first_ms": first,
        "p99_last_ms": last,
        "p99_change": last / first - 1,
        "outcomes": outcomes(record.ended),
        "unexplained": unexplained(record.ended),
    }


def slope_per_min(samples: Sequence[Sample], name: str) -> float:
    """Of the straight line nearest to a quantity, for each minute."""
    minutes = [sample.at_s / MINUTE_S for sample in samples]
    slope, _ = np.polyfit(minutes, [getattr(sample, name) for sample in samples], 1)
    return float(slope)


def idle_change(idle: Sequence[Sample], name: str) -> int | None:
    """How many more there are after the load than before it, with nobody asking; None for a run that was cut off."""
    return getattr(idle[-1], name) - getattr(idle[0], name) if len(idle) > 1 else None


def p99_ms(ended: Sequence[Ended]) -> float:
    """Of the answers."""
    return float(np.percentile([each.latency_s for each in ended if each.outcome == "200"], 99) * 1e3)


def outcomes(ended: Sequence[Ended]) -> dict[str, dict[str, int]]:
    """How many of each kind ended how."""
    counts = Counter((each.kind, each.outcome) for each in ended)
    found: dict[str, dict[str, int]] = {}
    for (kind, outcome), number in sorted(counts.items()):
        found.setdefault(kind, {})[outcome] = number
    return found


def unexplained(ended: Sequence[Ended]) -> int:
    """Requests that ended as their kind does not explain."""
    return sum(each.outcome not in EXPECTED[Kind(each.kind)] for each in ended)


def _median(samples: Sequence[Sample], name: str) -> float:
    return float(np.median([getattr(sample, name) for sample in samples]))
