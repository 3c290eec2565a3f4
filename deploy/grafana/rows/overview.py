"""Is it well? What is promised, what callers get, and what serves them."""

from deploy.grafana.panels import (
    COUNT,
    REQUESTS_PER_S,
    SECONDS,
    SHARE,
    PanelBuilder,
    Query,
    graph,
    listing,
    number,
)
from deploy.grafana.queries import chosen, increase, quantile, rate, ratio, total, worst

REQUESTS, DURATION = "rerank_requests_total", "rerank_request_duration_seconds"
FAILED, ANSWERED, REFUSED = 'status=~"5.."', 'status_class="2xx"', 'status="429"'
# The objective: of a thousand requests one may end with a 5xx.
ALLOWED = 0.001
OBJECTIVE_WINDOW = "30d"
GREEN, ORANGE, RED, TEXT = "green", "orange", "red", "text"

TITLE = "Overview"


def _failed_share(window: str) -> str:
    return ratio(increase(REQUESTS, FAILED, window=window), increase(REQUESTS, window=window))


def _burn_rate(window: str) -> Query:
    failed = ratio(rate(REQUESTS, FAILED, window=window), rate(REQUESTS, window=window))
    return Query(f"{failed} / {ALLOWED}", f"over {window}")


_in_time = ratio(increase(f"{DURATION}_bucket", ANSWERED, 'le="$latency_s"'), increase(f"{DURATION}_count", ANSWERED))


def panels() -> list[PanelBuilder]:
    """From left to right, line by line."""
    return [
        number(
            "Availability",
            "Share of rerank requests of the shown time that did not end with a 5xx. Objective: 99.9 %. A 429 is a"
            " refusal, which the caller is told to repeat, and no failure.",
            SHARE,
            Query(f"1 - {_failed_share('$__range')}", "available"),
            limits=((None, RED), (0.99, ORANGE), (1 - ALLOWED, GREEN)),
            decimals=3,
        ),
        number(
            "Error budget left",
            "What is left of the failures that 99.9 % allow in 30 days, or since Prometheus remembers. Below 0 the"
            " objective is missed.",
            SHARE,
            Query(f"1 - {_failed_share(OBJECTIVE_WINDOW)} / {ALLOWED}", "left"),
            limits=((None, RED), (0, ORANGE), (0.25, GREEN)),
            decimals=1,
        ),
        number(
            "Answered in time",
            "Share of the answers of the shown time that came within the latency chosen above, which has to be a"
            " bucket of the histogram. Objective: 99 %.",
            SHARE,
            Query(_in_time, "in time"),
            limits=((None, RED), (0.95, ORANGE), (0.99, GREEN)),
            decimals=2,
        ),
        number(
            "Requests",
            "Rerank requests a second that reached a route, whatever became of them.",
            REQUESTS_PER_S,
            Query(rate(REQUESTS), "requests"),
            limits=((None, TEXT),),
        ),
        number(
            "Refused",
            "Share of rerank requests answered 429: the queue is too long, or an API key has used its share. Above a"
            " few percent add a replica.",
            SHARE,
            Query(ratio(rate(REQUESTS, REFUSED), rate(REQUESTS)), "refused"),
            limits=((None, GREEN), (0.01, ORANGE), (0.05, RED)),
            decimals=1,
        ),
        number(
            "p95 of answers",
            "19 of 20 answers came within this time.",
            SECONDS,
            Query(quantile(0.95, DURATION, ANSWERED), "p95"),
            limits=((None, TEXT),),
        ),
        number(
            "Workers ready",
            "Workers that would answer /readyz with 200 now. Compare with those that live, in the row of the workers.",
            COUNT,
            Query(total("rerank_workers_ready"), "ready"),
            limits=((None, RED), (1, GREEN)),
        ),
        number(
            "Queue",
            "How long the worker with the most work queued needs for it at its measured speed.",
            SECONDS,
            Query(worst("rerank_queue_wait_seconds"), "queued"),
            limits=((None, GREEN), (1, ORANGE), (5, RED)),
        ),
        graph(
            "Requests by outcome",
            "2xx are answers. 4xx are callers' mistakes and refusals (429), 499 callers who left, 5xx failures of the"
            " service.",
            REQUESTS_PER_S,
            Query(rate(REQUESTS, by=("status",)), "{{status}}"),
            stacked=True,
        ),
        graph(
            "Latency of answers",
            "From the parsed head of a request to its answer, 2xx alone: refusals take milliseconds and would flatter"
            " it. Percentiles are interpolated within buckets.",
            SECONDS,
            *(Query(quantile(share, DURATION, ANSWERED), f"p{share * 100:.0f}") for share in (0.5, 0.95, 0.99)),
        ),
        graph(
            "Burn rate of the error budget",
            "How many times faster than allowed failures use up the budget: at 1 it lasts for just 30 days, at 14.4"
            " for two. A short window shows that it began, a long one that it matters.",
            COUNT,
            *(_burn_rate(window) for window in ("5m", "1h", "6h")),
        ),
        listing(
            "What serves",
            "Version and model of each instance, as it is loaded now.",
            Query(
                f"max by (instance, model, version, engine, device, precision) ({chosen('rerank_info')})",
                "{{instance}}",
            ),
            ("instance", "model", "version", "engine", "device", "precision"),
        ),
    ]
