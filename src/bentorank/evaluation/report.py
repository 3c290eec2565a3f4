"""The outcome of an evaluation: rows of measures before and after, as rich tables and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table

from bentorank.evaluation.measures import Difference, compare, mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bentorank.evaluation.cascade import CascadeReport, Kept


@dataclass(frozen=True, slots=True)
class Row:
    """One ranking of the candidates.

    `differences` are to the first stage, by measure; None for the first stage itself. `seconds` is the wall
    time of scoring, `truncated` counts passages that lost tokens.
    """

    name: str
    means: dict[str, float]
    differences: dict[str, Difference] | None = None
    seconds: float = 0.0
    truncated: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """All rows, the first stage first, with what they were measured on."""

    queries: int
    pairs: int
    missing_passages: int
    rows: tuple[Row, ...]


def first_stage_row(name: str, values: Mapping[str, Mapping[str, float]]) -> Row:
    """The row that others are compared with."""
    return Row(name, {measure: mean(by_query) for measure, by_query in values.items()})


def reranked_row(
    name: str,
    before: Mapping[str, Mapping[str, float]],
    after: Mapping[str, Mapping[str, float]],
    *,
    seconds: float,
    truncated: int,
) -> Row:
    """A row with its differences to the first stage."""
    means = {measure: mean(by_query) for measure, by_query in after.items()}
    differences = {measure: compare(before[measure], by_query) for measure, by_query in after.items()}
    return Row(name, means, differences, seconds, truncated)


def as_json(report: Report) -> dict[str, Any]:
    """The report as plain data."""
    return asdict(report)


def as_tables(report: Report) -> Group:
    """One table a reranking: each measure before and after, the difference, and how many queries it moved."""
    first, *reranked = report.rows
    return Group(*(_table(report, first, row) for row in reranked))


def cascade_table(report: CascadeReport) -> Table:
    """A row for reading everything, and one for each number of documents that a first stage keeps."""
    caption = f"{report.queries:,} queries, {report.pairs:,} pairs; changes and speeds are to reading all of them"
    table = Table(title=f"{report.first_stage} before {report.model}", caption=caption, caption_justify="left")
    judged = report.rows[0].quality is not None
    quality = ("nDCG@10", "change", "95 % interval") if judged else ()
    table.add_column("keep", no_wrap=True)
    for header in (*quality, "same 10", "s/query", "speed"):
        table.add_column(header, justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(*cascade_cells(row, report.queries))
    return table


def cascade_cells(row: Kept, queries: int) -> tuple[str, ...]:
    """What a table tells of a row."""
    quality: tuple[str, ...] = ()
    if row.quality is not None:
        difference = row.quality.difference
        compared = (
            ("", "")
            if difference is None
            else (f"{difference.mean:+.4f}", f"{difference.low:+.4f} … {difference.high:+.4f}")
        )
        quality = (f"{row.quality.ndcg:.4f}", *compared)
    same = f"{100 * row.overlap:.1f} %"
    return (str(row.keep or "all"), *quality, same, f"{row.seconds / queries:.2f}", f"{row.speed:.2f}×")


def as_markdown(report: Report) -> str:
    """A table for a document: means, with the 95 % interval of the difference to the first stage."""
    measures = list(report.rows[0].means)
    lines = [f"| ranking | {' | '.join(measures)} |", f"|---|{'---:|' * len(measures)}"]
    for row in report.rows:
        cells = (_cell(row, measure) for measure in measures)
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(row: Row, measure: str) -> str:
    value = f"{row.means[measure]:.3f}"
    if row.differences is None:
        return value
    difference = row.differences[measure]
    if difference.wins == difference.losses == 0:
        return value
    return f"{value} ({difference.low:+.3f} … {difference.high:+.3f})"


def _table(report: Report, first: Row, row: Row) -> Table:
    caption = _caption(report, row)
    table = Table(title=f"{first.name} → {row.name}", caption=caption, caption_justify="left")
    table.add_column("measure", no_wrap=True)
    for header in ("before", "after", "difference", "95 % interval", "won/tied/lost"):
        table.add_column(header, justify="right", no_wrap=True)
    for measure, difference in (row.differences or {}).items():
        table.add_row(
            measure,
            f"{first.means[measure]:.3f}",
            f"{row.means[measure]:.3f}",
            f"{difference.mean:+.3f}",
            f"{difference.low:+.3f} … {difference.high:+.3f}",
            f"{difference.wins}/{difference.ties}/{difference.losses}",
        )
    return table


def _caption(report: Report, row: Row) -> str:
    lines = [f"{report.queries:,} queries, {report.pairs:,} pairs, {row.seconds:.1f} s; paired bootstrap"]
    if row.truncated:
        lines.append(f"{row.truncated:,} passages were longer than the model's window and were cut")
    if report.missing_passages:
        lines.append(f"{report.missing_passages:,} candidates are not in the corpus and were left out")
    return "\n".join(lines)
