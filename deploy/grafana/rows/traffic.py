"""Who asks for what, and how much of it."""

from deploy.grafana.panels import COUNT, DOCUMENTS_PER_S, REQUESTS_PER_S, PanelBuilder, Query, graph
from deploy.grafana.queries import mean, quantile, rate, total

TITLE = "Traffic"


def panels() -> list[PanelBuilder]:
    """From left to right, line by line."""
    return [
        graph(
            "Requests by route",
            "All HTTP requests that reached a route, probes and scrapes included, by BentoML's count. Unknown paths"
            " are refused before that and make no series.",
            REQUESTS_PER_S,
            Query(rate("bentoml_service_request_total", by=("endpoint",)), "{{endpoint}}"),
        ),
        graph(
            "Requests by API",
            "Rerank requests by the API that their bodies speak: what to keep working, and whose clients to tell of a"
            " change. `superset` is Cohere v1, Jina, vLLM and Xinference, which send the same.",
            REQUESTS_PER_S,
            Query(rate("rerank_dialect_requests_total", by=("dialect",)), "{{dialect}}"),
            stacked=True,
        ),
        graph(
            "Documents ranked",
            "Documents of answered requests a second. Work grows with documents and their length, not with requests.",
            DOCUMENTS_PER_S,
            Query(rate("rerank_documents_total"), "documents"),
        ),
        graph(
            "Documents of a request",
            "How many documents requests bring, refused ones included. The 95th percentile is interpolated within"
            " buckets.",
            COUNT,
            Query(mean("rerank_document_count"), "mean"),
            Query(quantile(0.95, "rerank_document_count"), "p95"),
        ),
        graph(
            "Requests under way",
            "Rerank requests being worked on, waiting ones included. It returns to 0 when nobody asks.",
            COUNT,
            Query(total("rerank_active_requests"), "under way"),
        ),
        graph(
            "Open connections",
            "Kept ones included. Beyond BENTORANK_MAX_CONNECTIONS new ones are answered 503.",
            COUNT,
            Query(total("rerank_connections", by=("instance",)), "{{instance}}"),
        ),
    ]
