"""The sweep's tables and lines say what was measured."""

from __future__ import annotations

from typing import Any

from benchmarks.sweep.report import as_markdown, by_shape, ms_per_pair

MACHINE = {"cpu": "c", "cores": 2, "flags": [], "memory_gib": 1, "gpus": [], "system": "s", "python": "3"}


def spread(value: float) -> dict[str, float]:
    return {"median": value, "min": value, "max": value}


def summary(pairs_per_s: float, p50_ms: float, **more: object) -> dict[str, Any]:
    latency = {"latency_ms": {"p50": p50_ms, "p95": 2 * p50_ms}}
    return {"pairs_per_s": spread(pairs_per_s), "server_cpu_ms_per_pair": 1.5, "failures": 0, **latency, **more}


def point(shape: str, clients: int) -> dict[str, Any]:
    contenders = {"bentorank": summary(50.0, 200.0), "tutorial": summary(10.0, 900.0, bentorank_ratio=spread(5.0))}
    return {"shape": shape, "documents": 10, "clients": clients, "contenders": contenders}


RESULT = {
    "machine": MACHINE,
    "setup": {"model": "m", "texts": "sample", "rounds": 1},
    "over_clients": [point("a", 1), point("a", 2), point("b", 1)],
    "over_documents": [point("10 × mixed", 1)],
}


def test_points_are_gathered_by_shape() -> None:
    """In the order in which they were measured."""
    shapes = by_shape(RESULT["over_clients"])
    assert [(shape, [each["clients"] for each in points]) for shape, points in shapes] == [("a", [1, 2]), ("b", [1])]


def test_every_contender_has_a_row_at_every_point() -> None:
    """With its ratio where it is not bentorank itself."""
    table = as_markdown(RESULT)
    assert table.count("| tutorial | 1 | 10.0 (10.0–10.0) | × 5.00 (5.00–5.00) | 900 | 1800 | 1.5 | 0 |") == 2
    assert table.count("| bentorank | 2 | 50.0 (50.0–50.0) |  | 200 | 400 | 1.5 | 0 |") == 1


def test_a_pair_costs_its_share_of_the_wait() -> None:
    """200 ms for ten documents are 20 ms each."""
    assert ms_per_pair(RESULT["over_documents"][0], summary(50.0, 200.0)) == 20.0
    assert "| 10 | bentorank | 20.00 | 50.0 |" in as_markdown(RESULT)
