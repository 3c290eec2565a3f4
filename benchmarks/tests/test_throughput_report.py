"""Ratios are taken within each round, then summarised."""

from __future__ import annotations

import pytest

from benchmarks.throughput.report import summarise


def server(pairs_per_s: float) -> dict[str, object]:
    return {
        "pairs": 100,
        "pairs_per_s": pairs_per_s,
        "latency_ms": {"p50": 1.0, "p95": 2.0},
        "server_cpu_s": 0.5,
        "failures": {"429": 1},
    }


def test_ratios_are_paired() -> None:
    """A machine that slows down between rounds slows both: the ratio stays."""
    rounds = [
        {"tutorial": server(10.0), "bentorank": server(50.0), "bare engine": {"pairs_per_s": 50.0}},
        {"tutorial": server(5.0), "bentorank": server(25.0), "bare engine": {"pairs_per_s": 20.0}},
    ]
    summary = summarise(rounds)
    assert summary["tutorial"]["bentorank_ratio"] == {"median": 5.0, "min": 5.0, "max": 5.0}
    assert summary["bare engine"]["bentorank_ratio"]["median"] == pytest.approx(1.125)
    assert "bentorank_ratio" not in summary["bentorank"]
    assert summary["bentorank"]["server_cpu_ms_per_pair"] == 5.0
    assert summary["bentorank"]["failures"] == 2
