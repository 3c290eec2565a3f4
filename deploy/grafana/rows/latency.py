"""Where the time of an answer goes."""

from deploy.grafana.panels import SECONDS, PanelBuilder, Query, graph, spread
from deploy.grafana.queries import buckets, mean, quantile

DURATION, PHASE, ANSWERED = "rerank_request_duration_seconds", "rerank_phase_duration_seconds", 'status_class="2xx"'

TITLE = "Latency"


def panels() -> list[PanelBuilder]:
    """From left to right, line by line."""
    return [
        graph(
            "Phases, mean",
            "Mean time of an answer in the queue, tokenising and computing; stacked they are its latency, but for"
            " parsing and writing. A growing queue wants capacity, growing inference longer texts or less speed.",
            SECONDS,
            Query(mean(PHASE, by=("phase",)), "{{phase}}"),
            stacked=True,
        ),
        graph(
            "Phases, p95",
            "19 of 20 answers spent no more in each phase. Percentiles of phases do not add up.",
            SECONDS,
            Query(quantile(0.95, PHASE, by=("phase",)), "{{phase}}"),
        ),
        spread(
            "Latency of answers, spread",
            "Answers a second by how long they took, 2xx alone. Two bands are two kinds of requests: small and large,"
            " or remembered and computed.",
            SECONDS,
            Query(buckets(DURATION, ANSWERED), "{{le}}"),
        ),
        graph(
            "p95 by route",
            "Of all HTTP requests, as BentoML measures them; batches and /bentoml/score take as long as all that they"
            " bring.",
            SECONDS,
            Query(quantile(0.95, "bentoml_service_request_duration_seconds", by=("endpoint",)), "{{endpoint}}"),
        ),
        graph(
            "p95 by outcome",
            "Refusals (in 4xx) should take milliseconds. Slow 5xx are deadlines that passed.",
            SECONDS,
            Query(quantile(0.95, DURATION, by=("status_class",)), "{{status_class}}"),
        ),
        graph(
            "Event loop lag",
            "How late the event loop woke a task that slept, which every request feels. Above 20 ms something holds"
            " it up: very large bodies, or a machine with too few cores.",
            SECONDS,
            *(Query(quantile(share, "rerank_event_loop_lag_seconds"), f"p{share * 100:.0f}") for share in (0.5, 0.99)),
        ),
    ]
