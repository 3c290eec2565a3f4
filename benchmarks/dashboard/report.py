"""The report of a run: which panels had data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.dashboard.course import ORDINARY, TOO_MUCH
from benchmarks.harness.results_files import machine_sentence, markdown_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.dashboard.panels import Shown


def as_result(shown: Sequence[Shown]) -> list[dict[str, Any]]:
    """A line for each panel."""
    return [
        {
            "row": each.row,
            "panel": each.title,
            "queries": len(each.answers),
            "series": len(each.series),
            "has_data": each.has_data,
            "has_moved": each.has_moved,
        }
        for each in shown
    ]


def as_markdown(result: dict[str, Any]) -> str:
    """The report to read."""
    panels = result["panels"]
    with_data = sum(panel["has_data"] for panel in panels)
    moved = sum(panel["has_moved"] for panel in panels)
    still = ", ".join(panel["panel"] for panel in panels if panel["has_data"] and not panel["has_moved"])
    empty = ", ".join(panel["panel"] for panel in panels if not panel["has_data"])
    outcomes = ", ".join(f"{count:,} × {status}" for status, count in result["outcomes"].items())
    rows = [
        [panel["row"], panel["panel"], str(panel["queries"]), str(panel["series"]), _state(panel)] for panel in panels
    ]
    asked = (
        f"Every query of every panel of `deploy/grafana/bentorank.json` over {result['seconds']:.0f} s of mixed load:"
        f" **{with_data} of {len(panels)} panels have data**, {moved} other than 0."
    )
    load = (
        f"The load: {outcomes}. The service does {result['requests_per_s']:.1f} such requests a second, and got"
        f" {ORDINARY:g} of that; for a while {TOO_MUCH:g} times as many as it can, then Redis was gone for another, and"
        " once the worker was killed."
    )
    return "\n".join(
        [
            "# The dashboard, asked of a real Prometheus",
            "",
            asked,
            "",
            *([f"Without data: {empty}.", ""] if empty else []),
            *([f"Only 0: {still}.", ""] if still else []),
            load,
            "",
            markdown_table(["row", "panel", "queries", "series", "data"], rows),
            "",
            f"Measured on {machine_sentence(result['machine'])}, with the shipped model.",
        ]
    )


def _state(panel: dict[str, Any]) -> str:
    if not panel["has_data"]:
        return "none"
    return "yes" if panel["has_moved"] else "0"
