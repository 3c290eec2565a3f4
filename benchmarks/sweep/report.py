"""The sweep as tables."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from benchmarks.harness.results_files import machine_sentence, markdown_table, range_text

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER = ["contender", "clients", "pairs/s", "bentorank is", "p50 ms", "p95 ms", "CPU ms/pair", "failed"]
COST_HEADER = ["documents", "contender", "ms/pair", "pairs/s"]


def as_markdown(result: dict[str, Any]) -> str:
    """A table for each shape, and one of the cost of a pair."""
    setup = result["setup"]
    title = (
        f"{setup['model']}, {setup['texts']}, closed loop; median of {setup['rounds']} rounds (lowest–highest),"
        " ratios within a round. A server that answered no request at a point has no figures there."
    )
    sections = ["# Sweep", title]
    for shape, points in by_shape(result["over_clients"]):
        sections += [f"## {shape}", markdown_table(HEADER, [row for point in points for row in _rows(point)])]
    if result["over_documents"]:
        rows = [row for point in result["over_documents"] for row in _cost_rows(point)]
        sections += ["## Cost of a pair, one request at a time, mixed texts", markdown_table(COST_HEADER, rows)]
    return "\n\n".join((*sections, machine_sentence(result["machine"])))


def by_shape(points: Sequence[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The points of each shape, in their order."""
    return [(shape, list(group)) for shape, group in groupby(points, key=lambda point: str(point["shape"]))]


def _rows(point: dict[str, Any]) -> list[list[str]]:
    return [_row(name, point["clients"], summary) for name, summary in point["contenders"].items()]


def _row(name: str, clients: int, summary: dict[str, Any]) -> list[str]:
    ratio, latency_ms = summary.get("bentorank_ratio"), summary["latency_ms"]
    return [
        name,
        str(clients),
        range_text(summary["pairs_per_s"], ".1f"),
        f"× {range_text(ratio, '.2f')}" if ratio else "",
        f"{latency_ms['p50']:.0f}",
        f"{latency_ms['p95']:.0f}",
        f"{summary['server_cpu_ms_per_pair']:.1f}",
        str(summary["failures"]),
    ]


def _cost_rows(point: dict[str, Any]) -> list[list[str]]:
    return [
        [str(point["documents"]), name, f"{ms_per_pair(point, summary):.2f}", f"{summary['pairs_per_s']['median']:.1f}"]
        for name, summary in point["contenders"].items()
    ]


def ms_per_pair(point: dict[str, Any], summary: dict[str, Any]) -> float:
    """Milliseconds that a caller who sends one request at a time waits for each document: p50 over documents."""
    return float(summary["latency_ms"]["p50"]) / int(point["documents"])
