"""Both ratios of a mixed load say how much better bentorank is, and are taken within each round."""

from __future__ import annotations

from typing import Any

from benchmarks.mixed_load.__main__ import combine
from benchmarks.mixed_load.report import summarise


def measured(pairs: int, p95_ms: float) -> dict[str, Any]:
    latency_ms = {"p50": p95_ms / 2, "p95": p95_ms, "p99": p95_ms}
    small = {"pairs": 10, "seconds": 4.0, "latency_ms": latency_ms, "failures": {"429": 1}}
    large = {"pairs": pairs - 10, "seconds": 5.0, "latency_ms": {"p50": 900.0}, "failures": {}}
    return combine(small, large)


def test_pairs_of_both_loads_count() -> None:
    """Over the time of the longer one."""
    assert measured(100, 50.0)["pairs_per_s"] == 20.0


def test_ratios_are_above_one_where_bentorank_is_better() -> None:
    """More pairs a second, and less time; a machine that slows down between rounds slows both."""
    rounds = [
        {"bentorank": measured(200, 100.0), "other": measured(100, 300.0)},
        {"bentorank": measured(100, 200.0), "other": measured(50, 600.0)},
    ]
    summary = summarise(rounds)
    assert summary["other"]["throughput_ratio"] == {"median": 2.0, "min": 2.0, "max": 2.0}
    assert summary["other"]["small_p95_ratio"] == {"median": 3.0, "min": 3.0, "max": 3.0}
    assert "throughput_ratio" not in summary["bentorank"]
    assert summary["bentorank"]["failures"] == {"small": 2, "large": 0}


def test_a_server_that_answers_no_small_request_has_no_latency() -> None:
    """Rather than a good one."""
    silent = measured(100, 50.0)
    silent["small"]["latency_ms"] = {}
    ratio = summarise([{"bentorank": measured(100, 50.0), "other": silent}])["other"]["small_p95_ratio"]["median"]
    assert str(ratio) == "nan"
