"""What a job has come to: for people a table, for programs `_bulk/summary.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from bentorank import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bentorank.bulk.answers import Counts
    from bentorank.bulk.progress import BulkBar


def summary_of(
    counts: Counts, parts: int, bar: BulkBar, engine: Mapping[str, Any] | None, *, is_complete: bool
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
        "parts": parts,
        "engine": engine,
        "bentorank": __version__,
        "this_run": {
            "rows": bar.rows,
            "seconds": round(bar.seconds, 3),
            "rows_per_s": round(bar.rows / bar.seconds, 3) if bar.seconds else 0.0,
        },
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
    if summary["ignored_instructions"]:
        table.add_row("instructions", f"{summary['ignored_instructions']:,} ignored: this model reads none")
    run = summary["this_run"]
    table.add_row("this run", f"{run['rows']:,} rows in {run['seconds']:,.1f} s, {run['rows_per_s']:,.1f} rows/s")
    return table
