"""The panels of deploy/grafana/bentorank.json, asked of Prometheus as Grafana asks it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.dashboard.prometheus_process import JOB, SCRAPE_EVERY_S

if TYPE_CHECKING:
    from benchmarks.dashboard.prometheus_process import Answer, Prometheus

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "bentorank.json"
STEP_S = SCRAPE_EVERY_S
# Four scrapes are the least that Grafana takes; more draw smoother lines.
RATE_INTERVAL_S = 10 * SCRAPE_EVERY_S


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a panel: what its legend calls it, its labels, and its points."""

    name: str
    labels: dict[str, str]
    points: list[tuple[float, float]]

    @property
    def finite(self) -> list[tuple[float, float]]:
        """The points that are numbers: without requests a ratio is none."""
        return [(at, value) for at, value in self.points if isfinite(value)]


@dataclass(frozen=True, slots=True)
class Shown:
    """One panel with what its queries returned, a list for each."""

    row: str
    panel: dict[str, Any]
    answers: list[list[Series]]

    @property
    def title(self) -> str:
        """As in the dashboard."""
        return str(self.panel["title"])

    @property
    def series(self) -> list[Series]:
        """Of all its queries, those that have a number."""
        return [series for answer in self.answers for series in answer if series.finite]

    @property
    def labels(self) -> list[dict[str, str]]:
        """Of each of them."""
        return [series.labels for series in self.series]

    @property
    def has_data(self) -> bool:
        """Whether each of its queries returned numbers."""
        return all(any(series.finite for series in answer) for answer in self.answers)

    @property
    def has_moved(self) -> bool:
        """Whether any of them was not 0."""
        return any(value for series in self.series for _, value in series.finite)


def look(prometheus: Prometheus, start_s: float, end_s: float) -> list[Shown]:
    """Every panel over that time."""
    row, shown = "", []
    for panel in orjson.loads(DASHBOARD.read_bytes())["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
        else:
            answers = [_answer(prometheus, target, start_s, end_s) for target in panel["targets"]]
            shown.append(Shown(row, panel, answers))
    return shown


def _answer(prometheus: Prometheus, target: dict[str, Any], start_s: float, end_s: float) -> list[Series]:
    promql = _filled(target["expr"], end_s - start_s)
    if target.get("instant"):
        answer = prometheus.at(promql, end_s)
    else:
        answer = prometheus.over_time(promql, start_s, end_s, STEP_S)
    return _named(target["legendFormat"], answer)


def _filled(promql: str, range_s: float) -> str:
    """With what Grafana puts in the place of its variables."""
    values = {
        "$__rate_interval": f"{RATE_INTERVAL_S}s",
        "$__range": f"{range_s:.0f}s",
        "$job": JOB,
        "$instance": ".*",
        "$latency_s": "1.0",
    }
    for name, value in values.items():
        promql = promql.replace(name, value)
    return promql


def _named(legend: str, answer: Answer) -> list[Series]:
    return [
        Series(re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), legend), labels, points)  # noqa: B023 - at once
        for labels, points in answer
    ]
