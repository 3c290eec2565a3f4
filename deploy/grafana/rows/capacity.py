"""How much the device does, how much more it could, and what waits for it."""

from deploy.grafana.panels import COUNT, HALF, SECONDS, SHARE, TOKENS_PER_S, PanelBuilder, Query, graph
from deploy.grafana.queries import chosen, rate, ratio, total

TITLE = "Capacity"


def panels() -> list[PanelBuilder]:
    """From left to right, line by line."""
    return [
        graph(
            "Tokens a second",
            "Tokens scored, padding excluded, and how many the devices could: their speed over their last busy"
            " seconds. The room between the two is what is left.",
            TOKENS_PER_S,
            Query(rate("rerank_tokens_total"), "scored"),
            Query(total("rerank_tokens_per_second"), "possible"),
            columns=HALF,
        ),
        graph(
            "Saturation",
            "Share of the time in which the devices computed. Above 80 % waiting grows quickly: add a replica.",
            SHARE,
            Query(
                ratio(
                    rate("rerank_device_busy_seconds_total", by=("instance",)),
                    total("rerank_workers", by=("instance",)),
                ),
                "{{instance}}",
            ),
            top=1,
            columns=HALF,
        ),
        graph(
            "Queue, in seconds",
            "Work queued and computing at the measured speed, of the worst worker of each instance. What autoscaling"
            " should follow: it knows large requests from small ones.",
            SECONDS,
            Query(chosen("rerank_queue_wait_seconds"), "{{instance}}"),
            columns=HALF,
        ),
        graph(
            "Queue, in tokens",
            "Tokens being tokenised, queued or computing. BENTORANK_MAX_QUEUE_TOKENS is where requests are refused"
            " for its size alone.",
            COUNT,
            Query(total("rerank_queue_tokens", by=("instance",)), "{{instance}}"),
            columns=HALF,
        ),
    ]
