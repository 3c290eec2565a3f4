"""What a job has come to: for people a table, for programs `_bulk/summary.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from bentorank import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bentorank.bulk.answers import Counts
    from bentorank.bulk.progress import BulkBar
    from bentorank.types import Cascade


def summary_of(  # noqa: PLR0913 - each is a part of its own
    counts: Counts,
    parts: int,
    bar: BulkBar,
    engine: Mapping[str, Any] | None,
    cascade: Cascade | None,
    *,
    is_complete: bool,
) -> dict[str, Any]:
    """All runs of the job together, and the rows and speed of this one."""
    return {
        "complete": is_complete,
        "rows": counts.rows,
        "ranked": counts.ranked,
        "rejected": counts.rejected,
        "rejected_for": dict(counts.rejected_for.most_common()),
        "documents": counts.documents,
        "tokens": counts.tokens,
        "truncated_documents": counts.truncated_documents,
        "truncated_queries": counts.truncated_queries,
        "empty_documents": counts.empty_documents,
        "unscored_documents": counts.unscored_documents,
        "ignored_instructions": counts.ignored_instructions,
        "first_stage": _first_stage(counts, cascade),
        "parts": parts,
        "engine": engine,
        "bentorank": __version__,
        "this_run": {
            "rows": bar.rows,
            "seconds": round(bar.seconds, 3),
            "rows_per_s": round(bar.rows / bar.seconds, 3) if bar.seconds else 0.0,
        },
    }


def _first_stage(counts: Counts, cascade: Cascade | None) -> dict[str, Any] | None:
    """What it read before the model; the other counts are the model's."""
    if cascade is None:
        return None
    return {
        "name": cascade.first_stage,
        "keep": cascade.keep,
        "pairs": counts.first_stage_pairs,
        "tokens": counts.first_stage_tokens,
        "pruned_documents": counts.pruned_documents,
    }


def as_table(summary: Mapping[str, Any]) -> Table:
    """What people want to know, without what is none."""
    table = Table.grid(padding=(0, 2))
    table.add_row("rows", f"{summary['rows']:,}")
    table.add_row("ranked", f"{summary['ranked']:,}")
    table.add_row("set aside", f"{summary['rejected']:,}")
    for reason, count in summary["rejected_for"].items():
        table.add_row("", f"{count:,} {reason}")
    for name in ("documents", "tokens", "truncated_documents", "truncated_queries", "empty_documents"):
        if summary[name]:
            table.add_row(name.replace("_", " "), f"{summary[name]:,}")
    if summary["unscored_documents"]:
        table.add_row("documents without a score", f"{summary['unscored_documents']:,}")
    if (first_stage := summary["first_stage"]) is not None:
        table.add_row("first stage", f"{first_stage['name']}, keeps {first_stage['keep']:,} of a row")
        table.add_row(
            "", f"{first_stage['tokens']:,} tokens read, {first_stage['pruned_documents']:,} documents pruned"
        )
    if summary["ignored_instructions"]:
        table.add_row("instructions", f"{summary['ignored_instructions']:,} ignored: this model reads none")
    run = summary["this_run"]
    table.add_row("this run", f"{run['rows']:,} rows in {run['seconds']:,.1f} s, {run['rows_per_s']:,.1f} rows/s")
    return table
