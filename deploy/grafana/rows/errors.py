"""What did not work, and whose fault it was."""

from deploy.grafana.panels import HALF, PAIRS_PER_S, REQUESTS_PER_S, PanelBuilder, Query, graph
from deploy.grafana.queries import rate

TITLE = "Errors and refusals"


def panels() -> list[PanelBuilder]:
    """From left to right, line by line."""
    return [
        graph(
            "Errors by code",
            "Rerank requests answered with an error, by the code in its body. `overloaded` and `rate_limited` are"
            " refusals; `internal_error`, `scoring_failed`, `non_finite_score`, `unavailable` and `deadline_exceeded`"
            " are failures.",
            REQUESTS_PER_S,
            Query(rate("rerank_errors_total", by=("code",)), "{{code}}"),
            stacked=True,
            columns=HALF,
        ),
        graph(
            "Refused by reason",
            "Requests turned away before their work began: the queue was full, the deadline could not be met, the"
            " wait would have been longer than is ordinary, or the API key had used its share.",
            REQUESTS_PER_S,
            Query(rate("rerank_refused_total", by=("reason",)), "{{reason}}"),
            stacked=True,
            columns=HALF,
        ),
        graph(
            "Refused at the edge",
            "Requests that reached no route, by code: no key, too large, bad HTTP, unknown paths; `unavailable` had"
            " no room for a connection, `overloaded` none for a body.",
            REQUESTS_PER_S,
            Query(rate("rerank_edge_refusals_total", by=("code",)), "{{code}}"),
            stacked=True,
            columns=HALF,
        ),
        graph(
            "Pairs that failed",
            "Pairs a second that the engine could not score. They fail alone, but a rising rate is a failing device.",
            PAIRS_PER_S,
            Query(rate("rerank_failed_pairs_total"), "failed"),
            columns=HALF,
        ),
    ]
