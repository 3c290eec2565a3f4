"""The report of two models on one device is made of what was measured."""

from __future__ import annotations

from benchmarks.several_models.__main__ import as_markdown


def test_a_run_is_a_row_with_its_share() -> None:
    """Who waits how long, and who had the device."""
    run = {"latency_ms": {"p50": 10.4, "p95": 20.0, "p99": 30.0}, "share": {"light": 0.25, "heavy": 0.75}}
    both = {
        "share": {"light": 0.5, "heavy": 0.5},
        "busy_s": {"light": 6.0, "heavy": 6.0},
        "tokens": {"light": 9_000, "heavy": 3_000},
    }
    machine = {"cpu": "x", "cores": 2, "flags": [], "memory_gib": 4, "gpus": [], "system": "y", "python": "3"}
    setup = {"rate_per_s": 2.0, "documents": 8, "fake": True}
    report = as_markdown({"machine": machine, "setup": setup, "light": {"alone": run}, "both": both})
    assert "| alone | 10 | 20 | 30 | 25% |" in report
    assert "| heavy | 50.0% | 6.0 | 3,000 |" in report
