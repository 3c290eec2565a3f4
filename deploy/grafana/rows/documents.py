"""What was not read in full, or not at all: answers that are right by the rules, and worse than they could be."""

from deploy.grafana.panels import DOCUMENTS_PER_S, SHARE, PanelBuilder, Query, graph
from deploy.grafana.queries import rate, ratio

DOCUMENTS = "rerank_documents_total"

TITLE = "Documents cut, empty or without a score"


def panels() -> list[PanelBuilder]:
    """From left to right, line by line."""
    return [
        graph(
            "Truncated",
            "Share of ranked documents that were longer than the model reads and lost their end. Split them"
            " (BENTORANK_OVERFLOW=chunk), or index shorter passages.",
            SHARE,
            Query(ratio(rate("rerank_truncated_documents_total"), rate(DOCUMENTS)), "truncated"),
        ),
        graph(
            "Empty",
            "Share of ranked documents without text, which stand last, unread. Something in front sends nothing.",
            SHARE,
            Query(ratio(rate("rerank_empty_documents_total"), rate(DOCUMENTS)), "empty"),
        ),
        graph(
            "Without a score",
            "Documents a second that answers have no score for, because the caller takes such an answer, by the"
            " reason.",
            DOCUMENTS_PER_S,
            Query(rate("rerank_unscored_documents_total", by=("reason",)), "{{reason}}"),
            stacked=True,
        ),
        graph(
            "Pruned",
            "Share of ranked documents that a first stage kept from the model, and that have no score. Keep more"
            " (BENTORANK_KEEP) where answers miss what matters; `bentorank eval --first-stage` tells.",
            SHARE,
            Query(ratio(rate("rerank_pruned_documents_total"), rate(DOCUMENTS)), "pruned"),
        ),
    ]
