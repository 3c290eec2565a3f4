"""What remembered scores save."""

from deploy.grafana.panels import BYTES, COUNT, DOCUMENTS_PER_S, NONE, SHARE, THIRD, PanelBuilder, Query, graph, number
from deploy.grafana.queries import chosen, rate, ratio, total

LOOKUPS, WRITES = "rerank_cache_requests_total", "rerank_cache_writes_total"

TITLE = "Cache of scores"


def panels() -> list[PanelBuilder]:
    """From left to right, line by line."""
    return [
        number(
            "Remembered",
            "Share of all documents looked for that some level remembered, so that they were not computed.",
            SHARE,
            Query(ratio(rate(LOOKUPS, 'result="hit"'), f"max ({rate(LOOKUPS, by=('level',))})"), "remembered"),
            columns=THIRD,
        ),
        number(
            "Memory of a document",
            "What a remembered document takes in memory: BENTORANK_CACHE_BYTES divided by it is how many fit a worker.",
            BYTES,
            Query(ratio(total("rerank_cache_bytes"), total("rerank_cache_entries")), "a document"),
            columns=THIRD,
        ),
        number(
            "Redis",
            "Whether Redis is asked by every worker; after failures it is left alone until it answers again. Scores"
            " are computed meanwhile. No data where no Redis is used.",
            NONE,
            Query(f"min({chosen('rerank_cache_redis_up')})", "Redis"),
            names={"0": ("down", "red"), "1": ("up", "green")},
            columns=THIRD,
        ),
        graph(
            "Hit ratio",
            "Share of the documents looked for that each level remembered. The second level is asked for what the"
            " first does not know.",
            SHARE,
            Query(ratio(rate(LOOKUPS, 'result="hit"', by=("level",)), rate(LOOKUPS, by=("level",))), "{{level}}"),
            top=1,
        ),
        graph(
            "Lookups",
            "Documents looked for a second, by what became of it. An error is a miss because the level failed or was"
            " slow.",
            DOCUMENTS_PER_S,
            Query(rate(LOOKUPS, by=("level", "result")), "{{level}} {{result}}"),
        ),
        graph(
            "Writes",
            "Documents to remember a second. Dropped ones found the queue of writes full, failed ones were refused by"
            " Redis.",
            DOCUMENTS_PER_S,
            Query(rate(WRITES, by=("level", "result")), "{{level}} {{result}}"),
        ),
        graph(
            "Remembered documents",
            "In the memory of each instance.",
            COUNT,
            Query(total("rerank_cache_entries", by=("instance",)), "{{instance}}"),
        ),
        graph(
            "Memory of the cache",
            "Bounded by BENTORANK_CACHE_BYTES a worker.",
            BYTES,
            Query(total("rerank_cache_bytes", by=("instance",)), "{{instance}}"),
        ),
        graph(
            "Evicted",
            "Documents forgotten a second because there was no more room in memory. Where the hit ratio is low beside"
            " it, more memory helps.",
            DOCUMENTS_PER_S,
            Query(rate("rerank_cache_evicted_total"), "evicted"),
        ),
    ]
