"""The sweep as plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.harness.plots import Panel, draw_panels
from benchmarks.sweep.report import by_shape, ms_per_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def draw(result: dict[str, Any], folder: Path) -> None:
    """Throughput and latency over clients, and the cost of a pair over documents."""
    shapes = by_shape(result["over_clients"])
    if shapes:
        draw_panels([_throughput(*shape) for shape in shapes], folder / "sweep_throughput.svg", columns=2)
        latency = [_latency(*shape, share) for shape in shapes for share in ("p50", "p95")]
        draw_panels(latency, folder / "sweep_latency.svg", columns=2)
    if result["over_documents"]:
        draw_panels([_cost(result["over_documents"])], folder / "sweep_documents.svg", columns=1)


def _throughput(shape: str, points: Sequence[dict[str, Any]]) -> Panel:
    lines = _lines(points, "clients", lambda _, summary: float(summary["pairs_per_s"]["median"]))
    return Panel(shape, "requests in flight", "pairs/s", lines)


def _latency(shape: str, points: Sequence[dict[str, Any]], share: str) -> Panel:
    lines = _lines(points, "clients", lambda _, summary: float(summary["latency_ms"][share]))
    return Panel(f"{shape}, {share}", "requests in flight", "latency, ms", lines, log_y=True)


def _cost(points: Sequence[dict[str, Any]]) -> Panel:
    lines = _lines(points, "documents", ms_per_pair)
    return Panel("Cost of a pair, one request at a time", "documents in a request", "ms a pair", lines, log_y=True)


def _lines(
    points: Sequence[dict[str, Any]], x: str, y: Callable[[dict[str, Any], dict[str, Any]], float]
) -> dict[str, list[tuple[float, float]]]:
    """(x, y) of every contender that answered, by name."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for point in points:
        for name, summary in point["contenders"].items():
            if summary["pairs_per_s"]["median"] > 0:
                lines.setdefault(name, []).append((point[x], y(point, summary)))
    return lines
