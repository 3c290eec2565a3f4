"""The panels as Grafana lays them out, drawn from what its queries returned. Every length is in inches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from math import nan
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.dates import DateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

from benchmarks.dashboard.panels import STEP_S
from benchmarks.dashboard.units import with_unit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from benchmarks.dashboard.panels import Series, Shown

COLUMNS, COLUMN, CELL, HEAD, MARGIN = 24, 0.6, 0.34, 0.42, 0.08
# What the numbers beside a graph take.
SCALE = 0.8
DOTS_PER_INCH, PNG_COLOURS = 80, 128
# No line goes over a gap that is longer: nobody was there to be scraped.
LONGEST_GAP_S = 3 * STEP_S
PAGE, CARD, BORDER, TEXT, MUTED, GRID = "#f4f5f5", "#ffffff", "#e3e6ea", "#24292e", "#6b737c", "#eceef1"
# Okabe and Ito's colours, in an order that keeps neighbours apart, then lighter ones.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8a8a8a", "#b5a642", "#5e4fa2", "#7fbc41")
NAMED = {"green": "#2e9e5b", "orange": "#e08400", "red": "#d13b3b", "text": TEXT}
MOST_IN_LEGEND, LEGEND_COLUMNS = 6, 2
STYLE = {
    "font.size": 7.5,
    "text.color": TEXT,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.edgecolor": BORDER,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}


@dataclass(frozen=True, slots=True)
class Box:
    """A place on the figure, from its lower left corner."""

    left: float
    bottom: float
    width: float
    height: float

    def inset(self, left: float, bottom: float, right: float, top: float) -> Box:
        """What is left inside."""
        return Box(self.left + left, self.bottom + bottom, self.width - left - right, self.height - bottom - top)


class Sheet:
    """One figure on which cards are laid out."""

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width, height), facecolor=PAGE)
        self._width, self._height = width, height

    def axes(self, box: Box) -> Axes:
        """Axes that fill the box."""
        width, height = self._width, self._height
        return self.figure.add_axes((box.left / width, box.bottom / height, box.width / width, box.height / height))

    def write(self, left: float, bottom: float, words: str, **style: Any) -> None:  # noqa: ANN401 - matplotlib's
        """Text from there on, on its middle line."""
        self.figure.text(left / self._width, bottom / self._height, words, va="center", **style)

    def save(self, path: Path) -> None:
        """As a PNG of few colours: a third of the bytes."""
        drawn = BytesIO()
        self.figure.savefig(drawn, dpi=DOTS_PER_INCH)
        Image.open(drawn).convert("RGB").quantize(PNG_COLOURS).save(path, "PNG", optimize=True)

    def card(self, box: Box, title: str) -> None:
        """The background of a panel."""
        axes = self.axes(box)
        axes.set_axis_off()
        axes.set(xlim=(0, box.width), ylim=(0, box.height))
        shape = FancyBboxPatch(
            (0.01, 0.01), box.width - 0.02, box.height - 0.02, "round,pad=0,rounding_size=0.04", fc=CARD, ec=BORDER
        )
        axes.add_patch(shape)
        self.write(box.left + 0.12, box.bottom + box.height - 0.16, title, fontsize=8.5, fontweight="bold")


def draw_row(row: str, shown: Sequence[Shown], path: Path) -> None:
    """The panels of one row as one PNG."""
    places = [each.panel["gridPos"] for each in shown]
    top = min(place["y"] for place in places)
    height = (max(place["y"] + place["h"] for place in places) - top) * CELL + HEAD
    with mpl.rc_context(STYLE):
        sheet = Sheet(COLUMNS * COLUMN, height)
        sheet.write(MARGIN + 0.04, height - HEAD / 2, row, fontsize=11.5, fontweight="bold")
        for each, place in zip(shown, places, strict=True):
            bottom = height - HEAD - (place["y"] - top + place["h"]) * CELL
            box = Box(place["x"] * COLUMN, bottom, place["w"] * COLUMN, place["h"] * CELL)
            box = box.inset(MARGIN / 2, MARGIN / 2, MARGIN / 2, MARGIN / 2)
            sheet.card(box, each.title)
            _DRAW[each.panel["type"]](sheet, box, each)
        sheet.save(path)


def _number(sheet: Sheet, box: Box, shown: Shown) -> None:
    series = shown.series[0] if shown.series else None
    if series is None:
        sheet.write(box.left + 0.12, box.bottom + 0.5, "no data", fontsize=12, color=MUTED)
        return
    defaults = shown.panel["fieldConfig"]["defaults"]
    last = series.finite[-1][1]
    colour, words = NAMED[_level(defaults, last)], with_unit(last, defaults["unit"], defaults.get("decimals"))
    for mapping in defaults.get("mappings", []):
        named = mapping["options"].get(f"{last:g}")
        colour, words = (NAMED[named["color"]], named["text"]) if named else (colour, words)
    axes = sheet.axes(box.inset(0.02, 0.02, 0.02, box.height * 0.66))
    axes.set_axis_off()
    times, values = _points(series)
    axes.fill_between(times, values, color=colour, alpha=0.18, linewidth=0)
    axes.plot(times, values, color=colour, linewidth=1)
    axes.margins(x=0)
    sheet.write(box.left + 0.12, box.bottom + box.height * 0.55, words, fontsize=17, fontweight="bold", color=colour)


def _level(defaults: dict[str, Any], value: float) -> str:
    steps = defaults["thresholds"]["steps"]
    return str([step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1])


def _graph(sheet: Sheet, box: Box, shown: Shown) -> None:
    moving = [series for series in shown.series if any(value for _, value in series.finite)]
    drawn = sorted(moving or shown.series[:1], key=lambda series: series.name)
    defaults = shown.panel["fieldConfig"]["defaults"]
    lines = -(-min(len(drawn), MOST_IN_LEGEND) // LEGEND_COLUMNS)
    axes = _time_axes(sheet, box.inset(SCALE, 0.42 + 0.15 * lines, 0.14, 0.36), defaults["unit"])
    if defaults["custom"].get("stacking", {}).get("mode") == "normal" and drawn:
        times = sorted({at for series in drawn for at, _ in series.finite})
        values = [[dict(series.finite).get(at, 0.0) for at in times] for series in drawn]
        axes.stackplot([_time(at) for at in times], values, colors=_colours(len(drawn)), alpha=0.75, linewidth=0)
    else:
        for series, colour in zip(drawn, _colours(len(drawn)), strict=True):
            axes.plot(*_points(series), color=colour, linewidth=1.2)
    axes.set_ylim(bottom=0, top=defaults.get("max", axes.get_ylim()[1] * 1.05))
    _legend(sheet, box, [(series.name, _summary(series, defaults["unit"])) for series in drawn])


def _spread(sheet: Sheet, box: Box, shown: Shown) -> None:
    """What each bucket has more than the one below it, over time."""
    defaults = shown.panel["fieldConfig"]["defaults"]
    axes = _time_axes(sheet, box.inset(SCALE, 0.36, 0.14, 0.36), defaults["unit"])
    buckets = sorted((series for series in shown.series if series.name != "+Inf"), key=lambda each: float(each.name))
    if not buckets:
        return
    times = sorted({at for series in buckets for at, _ in series.finite})
    cumulative = np.array([[dict(series.finite).get(at, np.nan) for at in times] for series in buckets])
    counts = np.diff(cumulative, axis=0, prepend=0.0)
    edges = [_time(at) for at in times]
    axes.pcolormesh(edges, range(len(buckets)), counts, cmap="Oranges", vmin=0, shading="nearest", rasterized=True)
    shown_every = 1 + len(buckets) // 8
    ticks = range(0, len(buckets), shown_every)
    axes.set_yticks(list(ticks), [with_unit(float(buckets[tick].name), defaults["unit"]) for tick in ticks])


def _table(sheet: Sheet, box: Box, shown: Shown) -> None:
    places = shown.panel["transformations"][0]["options"]["indexByName"]
    columns = sorted(places, key=places.__getitem__)
    width = (box.width - 0.3) / len(columns)
    for number, name in enumerate(columns):
        left = box.left + 0.15 + number * width
        sheet.write(left, box.bottom + box.height - 0.48, name, color=MUTED, fontsize=8)
        for line, labels in enumerate(shown.labels):
            sheet.write(left, box.bottom + box.height - 0.76 - 0.25 * line, labels.get(name, ""), fontsize=8.5)


def _time_axes(sheet: Sheet, box: Box, unit: str) -> Axes:
    axes = sheet.axes(box)
    axes.set_facecolor("none")
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    axes.tick_params(length=0, pad=3)
    axes.margins(x=0)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: with_unit(value, unit)))
    axes.xaxis_date(tz=UTC)
    axes.xaxis.set_major_locator(MaxNLocator(5, prune="both"))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M:%S", tz=UTC))
    return axes


def _legend(sheet: Sheet, box: Box, entries: list[tuple[str, str]]) -> None:
    """Names with their latest values below the graph, from left to right."""
    width = (box.width - 0.3) / LEGEND_COLUMNS
    more = len(entries) - MOST_IN_LEGEND
    colours = _colours(len(entries))
    for number, (name, summary) in enumerate(entries[:MOST_IN_LEGEND]):
        line, column = divmod(number, LEGEND_COLUMNS)
        lines = -(-min(len(entries), MOST_IN_LEGEND) // LEGEND_COLUMNS)
        left, bottom = box.left + 0.2 + column * width, box.bottom + 0.12 + 0.15 * (lines - 1 - line)
        sheet.write(left, bottom, "■", color=colours[number], fontsize=7)
        tail = f" and {more} more" if more > 0 and number == MOST_IN_LEGEND - 1 else ""
        sheet.write(left + 0.14, bottom, f"{name}{tail}  {summary}", fontsize=6.8, color=MUTED)


def _summary(series: Series, unit: str) -> str:
    return f"max {with_unit(max(value for _, value in series.finite), unit)}"


def _colours(count: int) -> list[str]:
    return [PALETTE[number % len(PALETTE)] for number in range(count)]


def _points(series: Series) -> tuple[list[float], list[float]]:
    """Gaps stay gaps."""
    times, values = [], []
    for at, value in series.points:
        if times and at - times[-1] > LONGEST_GAP_S:
            times.append(times[-1] + STEP_S)
            values.append(nan)
        times.append(at)
        values.append(value)
    return [_time(at) for at in times], values


def _time(at: float) -> float:
    return float(date2num(datetime.fromtimestamp(at, UTC)))


_DRAW = {"stat": _number, "timeseries": _graph, "heatmap": _spread, "table": _table}
