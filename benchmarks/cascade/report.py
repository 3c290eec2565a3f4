"""The tables of the cascade benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.harness.results_files import machine_sentence, markdown_table

if TYPE_CHECKING:
    from typing import Any

    from bentorank.evaluation.cascade import CascadeReport

INTRODUCTION = (
    "What is kept of the candidates, the rest in the first stage's order behind it; differences and speeds are to"
    " reading all of them. In brackets: 95 % interval (paired bootstrap). `same 10`: how many of the ten best are the"
    " same. Time is that of a list in one process, without HTTP, all choices taking turns list by list."
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A first stage on one collection: `quality` on all of its queries, `time` on a sample of them; or one alone."""

    quality: CascadeReport | None
    time: CascadeReport | None

    @property
    def title(self) -> str:
        """Which stages they are."""
        report = self.quality or self.time
        assert report is not None, "bug: nothing was measured"
        return f"{report.first_stage} before {report.model}"


def as_markdown(machine: dict[str, Any], measured: dict[str, list[Measured]]) -> str:
    """A table for each collection and first stage."""
    pages = ["# A first stage", INTRODUCTION, machine_sentence(machine)]
    for collection, runs in measured.items():
        for run in runs:
            pages += [f"## {collection}: {run.title}", _sample(run), _table(run)]
    return "\n\n".join(pages)


def _sample(run: Measured) -> str:
    parts = []
    if run.quality is not None:
        parts.append(f"quality on {run.quality.queries:,} queries, {run.quality.pairs:,} pairs")
    if run.time is not None:
        parts.append(f"time on {run.time.queries:,} queries, {run.time.pairs:,} pairs")
    return "; ".join(parts).capitalize() + "."


def _table(run: Measured) -> str:
    qualities = {} if run.quality is None else {row.keep: row for row in run.quality.rows}
    times = {} if run.time is None else {row.keep: row for row in run.time.rows}
    header = ["keep", *(["nDCG@10", "same 10"] if qualities else []), *(["s a list", "times as fast"] if times else [])]
    rows = []
    for keep in qualities or times:
        cells = [str(keep or "all")]
        if qualities:
            row = qualities[keep]
            assert row.quality is not None, "bug: a collection without judgements"
            difference = row.quality.difference
            of_all = "" if difference is None else f" ({difference.low:+.4f} … {difference.high:+.4f})"
            cells += [f"{row.quality.ndcg:.4f}{of_all}", f"{100 * row.overlap:.1f} %"]
        if times:
            assert run.time is not None, "bug: times of nothing"
            cells += [f"{times[keep].seconds / run.time.queries:.2f}", f"{times[keep].speed:.2f}"]
        rows.append(cells)
    return markdown_table(header, rows)
