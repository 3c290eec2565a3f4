"""The single client's report: what a difference is a difference of."""

import pytest

from benchmarks.single_client.__main__ import as_markdown, summarise

MACHINE = {"cpu": "a CPU", "cores": 2, "flags": [], "memory_gib": 1, "gpus": [], "system": "Linux", "python": "3.11"}


def asked(bare: float, served: float) -> dict[str, float]:
    return {"bare": bare, "served": served, "http": 1.5, "tokenize": 4.0, "queue": 0.5, "inference": 90.0}


def test_differences_are_of_the_medians_and_within_a_request() -> None:
    """A request that is slow for both adds to neither difference."""
    run = summarise([asked(100.0, 102.0), asked(900.0, 901.0), asked(110.0, 113.0)])
    assert run["requests"] == 3
    assert run["p50_difference_ms"] == pytest.approx(3.0)
    assert run["paired_difference_ms"] == pytest.approx(2.0)


def test_the_table_has_a_row_for_each_size() -> None:
    """Sizes come as they were measured."""
    sizes = {"1": summarise([asked(10.0, 12.0)]), "20": summarise([asked(100.0, 102.5)])}
    rows = as_markdown({"model": "starter", "machine": MACHINE, "sizes": sizes}).splitlines()
    assert "| 20 | 1 | 100.0 | 102.5 | 2.5 | 2.5 | 1.5 | 4.0 | 0.5 | 90.0 |" in rows
