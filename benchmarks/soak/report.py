"""The figures beside their targets, and their course over the run as small plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.harness.plots import OTHERS, OURS, STYLE, moved_apart
from benchmarks.harness.results_files import machine_sentence, markdown_table
from benchmarks.soak.measures import MINUTE_S
from benchmarks.soak.traffic import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from benchmarks.soak.log import Ended, Record, Sample

MOST_MIB_PER_MIN, MOST_MIB, MOST_MORE, MOST_P99_CHANGE = 1.0, 50.0, 2, 0.10
WIDTH_IN, HEIGHT_IN = 7.0, 4.6
LEVEL_BELOW_TOP, LABEL_GAP = 1.1, 0.16


def as_markdown(setup: dict[str, Any], found: dict[str, Any]) -> str:
    """A table of targets, one of outcomes."""
    title = (
        f"{found['minutes']:.0f} minutes of {setup['rate_per_s']:.1f} requests a second, {setup['share']:.0%} of what 8"
        f" clients get ranked, open loop, 1 to 100 documents each, engine {setup['engine']}. {found['faults']} of"
        f" {found['requests']} requests went wrong on purpose. The first and the last {found['window_minutes']:.1f}"
        " minutes are compared; memory counts after the first. Descriptors, threads and tasks are counted while nobody"
        " asks anything, before and after."
    )
    kinds = [[kind, _counts(outcomes)] for kind, outcomes in found["outcomes"].items()]
    parts = (
        "# Soak",
        title,
        markdown_table(["", "measured", "target"], _rows(found)),
        "![Memory, p99 and failures over the run](soak.svg)",
        markdown_table(["requests", "ended"], kinds),
        machine_sentence(setup["machine"]),
    )
    return "\n\n".join(parts)


def _rows(found: dict[str, Any]) -> list[list[str]]:
    idle = found["idle"]
    slope, growth = found["rss_slope_mib_per_min"], found["rss_growth_mib"]
    return [
        ["memory, MiB a minute", f"{slope:+.2f}", f"≤ {MOST_MIB_PER_MIN:g}"],
        ["of which remembered scores, which are bounded", f"{found['cache_slope_mib_per_min']:+.2f}", ""],
        ["memory, MiB in all, remembered scores too", f"{growth:+.1f}", f"≤ {MOST_MIB:g}"],
        *([name, "–" if (change := idle[name]) is None else f"{change:+d}", f"± {MOST_MORE}"] for name in idle),
        ["p99 of the first minutes, ms", f"{found['p99_first_ms']:.0f}", ""],
        [
            "p99 of the last minutes, ms",
            f"{found['p99_last_ms']:.0f} ({found['p99_change']:+.0%})",
            f"≤ {MOST_P99_CHANGE:+.0%}",
        ],
        ["requests that ended without a reason", str(found["unexplained"]), "0"],
    ]


def _counts(outcomes: dict[str, int]) -> str:
    return ", ".join(f"{outcome} × {number}" for outcome, number in outcomes.items())


def draw(record: Record, path: Path) -> None:
    """Memory, what is open, and latency, one below the other."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
        memory, opened, latency = figure.subplots(3, 1, sharex=True)
        _draw_lines(memory, "Memory, MiB", record.samples, {"resident": _value("rss_mib")})
        numbers = {"descriptors": _value("descriptors"), "threads": _value("threads"), "tasks": _value("tasks")}
        _draw_lines(opened, "Open", record.samples, numbers)
        _draw_latency(latency, record.ended)
        latency.set_xlabel("minutes")
        figure.savefig(path, metadata={"Date": None})


def _value(name: str) -> Callable[[Sample], float]:
    return lambda sample: float(getattr(sample, name))


def _draw_lines(axes: Axes, title: str, samples: Sequence[Sample], lines: dict[str, Callable[[Sample], float]]) -> None:
    minutes = [sample.at_s / MINUTE_S for sample in samples]
    colours = [OURS] if len(lines) == 1 else OTHERS
    drawn = {name: [value(sample) for sample in samples] for name, value in lines.items()}
    for values, colour in zip(drawn.values(), colours, strict=False):
        axes.plot(minutes, values, color=colour, linewidth=1.2)
    axes.set(title=title)
    _label_ends(axes, drawn, colours)


def _label_ends(axes: Axes, lines: dict[str, list[float]], colours: Sequence[str]) -> None:
    """The name of each line beside its last point."""
    top = LEVEL_BELOW_TOP * max(max(values) for values in lines.values())
    axes.set_ylim(0, top)
    heights = moved_apart([values[-1] / top for values in lines.values()], LABEL_GAP)
    for name, height, colour in zip(lines, heights, colours, strict=False):
        axes.annotate(name, xy=(1.01, height), xycoords="axes fraction", va="center", color=colour)


def _draw_latency(axes: Axes, ended: Sequence[Ended]) -> None:
    """Of the ordinary requests that were due in each minute."""
    by_minute: dict[int, list[float]] = {}
    for each in ended:
        if each.kind == Kind.ORDINARY and each.outcome == "200":
            by_minute.setdefault(int(each.due_s // MINUTE_S), []).append(each.latency_s * 1e3)
    colours, minutes = (OURS, OTHERS[1]), [minute + 0.5 for minute in sorted(by_minute)]
    drawn = {
        f"p{share}": [float(np.percentile(latencies, share)) for _, latencies in sorted(by_minute.items())]
        for share in (99, 50)
    }
    for values, colour in zip(drawn.values(), colours, strict=True):
        axes.plot(minutes, values, color=colour, linewidth=1.2)
    axes.set(title="Latency, ms")
    _label_ends(axes, drawn, colours)
