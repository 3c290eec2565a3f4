"""The roofline as two bar charts in one small SVG, labelled in place, in colours for colour-blind readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.harness.plots import OTHERS, OURS, STYLE
from benchmarks.roofline.report import best_peaks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.axes import Axes

WIDTH_IN, HEIGHT_IN = 7.0, 3.2
PEAK = "#b8b8b8"
# A share below this has its label beside the bar, not in it.
NARROW = 0.06


def draw(result: dict[str, Any], path: Path) -> None:
    """Speeds above, shares of the engine's time below."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
        speeds, shares = figure.subplots(2, 1, height_ratios=(2.4, 1))
        _draw_speeds(speeds, result)
        _draw_shares(shares, result["time"]["shares"])
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _draw_speeds(axes: Axes, result: dict[str, Any]) -> None:
    speeds = {f"one product, {arithmetic}": flops for arithmetic, flops in best_peaks(result).items()}
    speeds["products in the engine"] = result["time"]["product_flops_per_s"]
    speeds["the engine in all"] = result["reached"]["flops_per_s"]
    names, gflops = list(speeds), [flops / 1e9 for flops in speeds.values()]
    colours = [PEAK if name.startswith("one product") else OURS for name in names]
    bars = axes.barh(names, gflops, color=colours, height=0.7)
    axes.bar_label(bars, fmt="{:.0f}", padding=3)
    axes.invert_yaxis()
    axes.set(title="Speed, GFLOP/s")
    axes.tick_params(axis="y", length=0)
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])


def _draw_shares(axes: Axes, shares: Mapping[str, float]) -> None:
    begin, beside = 0.0, []
    for number, (kind, share) in enumerate(shares.items()):
        colour = OTHERS[number % len(OTHERS)]
        axes.barh(0, share, left=begin, color=colour, edgecolor="white", linewidth=1)
        label = f"{kind} {share:.1%}"
        if share < NARROW:
            beside.append((label, colour))
        else:
            axes.text(begin + share / 2, 0, label.replace(" ", "\n", 1), ha="center", va="center", color="white")
        begin += share
    for number, (label, colour) in enumerate(beside):
        height = 0.36 - number * 0.72 / max(1, len(beside) - 1) if len(beside) > 1 else 0.0
        axes.text(1.01, height, label, va="center", color=colour)
    axes.set(title="Time of the engine", xlim=(0, 1.65), ylim=(-0.5, 0.5))
    axes.set_axis_off()
