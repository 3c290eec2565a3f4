"""How well the device is fed: large passes and little padding are cheap tokens."""

from deploy.grafana.panels import COUNT, PASSES_PER_S, SECONDS, SHARE, PanelBuilder, Query, graph, spread
from deploy.grafana.queries import buckets, mean, quantile, rate

TITLE = "Batching"


def panels() -> list[PanelBuilder]:
    """From left to right, line by line."""
    return [
        graph(
            "Tokens of a pass",
            "Tokens of a forward pass, padding excluded. Under load it comes near BENTORANK_MAX_BATCH_TOKENS; alone,"
            " a request is computed as it is.",
            COUNT,
            Query(mean("rerank_batch_tokens"), "mean"),
            Query(quantile(0.95, "rerank_batch_tokens"), "p95"),
        ),
        graph(
            "Pairs of a pass",
            "How many (query, passage) pairs are computed together.",
            COUNT,
            Query(mean("rerank_batch_pairs"), "mean"),
            Query(quantile(0.95, "rerank_batch_pairs"), "p95"),
        ),
        graph(
            "Padding",
            "Mean share of a pass that was padding, which is computed for nothing. Above 10 % requests are too"
            " different in length, or too few.",
            SHARE,
            Query(mean("rerank_padding_ratio"), "padding"),
        ),
        graph(
            "Passes",
            "Forward passes a second. Many small ones cost more than few large ones.",
            PASSES_PER_S,
            Query(rate("rerank_batch_duration_seconds_count"), "passes"),
        ),
        graph(
            "Time of a pass",
            "How long the device works on a pass. Whoever comes waits for that of another first.",
            SECONDS,
            *(
                Query(quantile(share, "rerank_batch_duration_seconds"), f"p{share * 100:.0f}")
                for share in (0.5, 0.95, 0.99)
            ),
        ),
        spread(
            "Tokens of a pass, spread",
            "Passes a second by their tokens.",
            COUNT,
            Query(buckets("rerank_batch_tokens"), "{{le}}"),
        ),
    ]
