"""Line plots as small SVGs: axes with units, lines labelled at their ends, colours for colour-blind readers."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator, StrMethodFormatter

from benchmarks.harness.contenders import BENTORANK, CONTENDERS, PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

PANEL_WIDTH_IN, PANEL_HEIGHT_IN = 4.7, 2.9
# Okabe and Ito, "Color Universal Design", 2008; their yellow is too pale for lines.
OURS, OTHERS = "#000000", ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
COLOURS = {
    name: OTHERS[number % len(OTHERS)]
    for number, name in enumerate(name for name in (*CONTENDERS, *PROGRAMS) if name != BENTORANK.name)
}
# Labels nearer to each other than this share of the axis are moved apart.
LABEL_GAP = 0.085
STYLE = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "svg.fonttype": "none",
    "svg.hashsalt": "bentorank",  # the same file for the same figures
}


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: a line of (x, y) points for each contender. x is logarithmic with a tick at each of its values."""

    title: str
    x_label: str
    y_label: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    log_y: bool = False


def draw_panels(panels: Sequence[Panel], path: Path, *, columns: int) -> None:
    """Write the panels as one SVG."""
    rows = -(-len(panels) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(columns * PANEL_WIDTH_IN, rows * PANEL_HEIGHT_IN), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).flat
        for axes, panel in zip(grid, panels, strict=False):
            _draw(axes, panel)
        for axes in list(grid)[len(panels) :]:
            axes.remove()
        figure.savefig(path, metadata={"Date": None})


def _draw(axes: Axes, panel: Panel) -> None:
    axes.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label, xscale="log")
    for name, line in panel.lines.items():
        xs, ys = zip(*line, strict=True)
        ours = name == BENTORANK.name
        axes.plot(xs, ys, color=_colour(name), marker="o", markersize=3, linewidth=2.0 if ours else 1.2)
    ticks = sorted({x for line in panel.lines.values() for x, _ in line})
    axes.set_xticks(ticks, [f"{tick:,g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", color="#dddddd", linewidth=0.5)
    if panel.log_y:
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    _label_ends(axes, panel)


def _label_ends(axes: Axes, panel: Panel) -> None:
    """The name of each line beside its last point."""
    bottom, top = axes.get_ylim()

    def height(y: float) -> float:
        if panel.log_y:
            return (log10(y) - log10(bottom)) / (log10(top) - log10(bottom))
        return (y - bottom) / (top - bottom)

    names = list(panel.lines)
    heights = moved_apart([height(panel.lines[name][-1][1]) for name in names], LABEL_GAP)
    for name, at in zip(names, heights, strict=True):
        axes.annotate(
            name,
            xy=(1.02, at),
            xycoords="axes fraction",
            va="center",
            color=_colour(name),
            fontweight="bold" if name == BENTORANK.name else "normal",
        )


def moved_apart(heights: Sequence[float], gap: float) -> list[float]:
    """The heights in the same order from bottom to top, each at least `gap` above the one below it.

    Runs that are too dense are spread evenly around their mean.
    """
    order = sorted(range(len(heights)), key=heights.__getitem__)
    runs: list[list[int]] = []
    for place in order:
        runs.append([place])
        while len(runs) > 1 and _bottom(runs[-1], heights, gap) - _top(runs[-2], heights, gap) < gap:
            last = runs.pop()
            runs[-1] += last
    moved = list(heights)
    for run in runs:
        for number, place in enumerate(run):
            moved[place] = _bottom(run, heights, gap) + number * gap
    return moved


def _bottom(run: Sequence[int], heights: Sequence[float], gap: float) -> float:
    return sum(heights[place] for place in run) / len(run) - gap * (len(run) - 1) / 2


def _top(run: Sequence[int], heights: Sequence[float], gap: float) -> float:
    return _bottom(run, heights, gap) + gap * (len(run) - 1)


def _colour(name: str) -> str:
    return COLOURS.get(name, OURS)
