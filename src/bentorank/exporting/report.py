"""How near an exported model is to its original, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from bentorank.exporting.export import Export


def as_table(export: Export, title: str) -> Table:
    """One measure a row; judgements add nDCG@10 before and after."""
    agreement = export.agreement
    table = Table(title=title, caption=_caption(export), caption_justify="left")
    table.add_column("against the original in f32", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_row("correlation of the logits", f"{agreement.correlation:.5f}")
    table.add_row("difference of the logits, mean", f"{agreement.mean_difference:.4f}")
    table.add_row("difference of the logits, largest", f"{agreement.max_difference:.4f}")
    table.add_row("Kendall's tau of the order, mean of queries", f"{agreement.kendall_tau:.4f}")
    table.add_row("queries whose best passage stays", f"{agreement.same_first:.1%}")
    if agreement.ndcg is not None:
        change = agreement.ndcg.difference
        table.add_row("nDCG@10 before → after", f"{agreement.ndcg.before:.4f} → {agreement.ndcg.after:.4f}")
        table.add_row("difference, 95 % interval", f"{change.mean:+.4f} ({change.low:+.4f} … {change.high:+.4f})")
    return table


def _caption(export: Export) -> str:
    written = f"activations {export.activations}, compared on {export.agreement.pairs:,} pairs"
    return written if export.objection is None else f"{written}: calibrated, the model {export.objection}"
