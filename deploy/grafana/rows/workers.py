"""The processes: whether they live, and what they take of the machine."""

from deploy.grafana.panels import BYTES, COUNT, SHARE, PanelBuilder, Query, graph
from deploy.grafana.queries import chosen, increase, rate, ratio, total

TITLE = "Workers"


def panels() -> list[PanelBuilder]:
    """From left to right, line by line."""
    return [
        graph(
            "Workers",
            "Those that live, and those of them that would answer /readyz with 200. A gap is a worker that loads its"
            " model, drains, or whose device fails. `scraped` are the instances that Prometheus reaches.",
            COUNT,
            Query(total("rerank_workers"), "living"),
            Query(total("rerank_workers_ready"), "ready"),
            Query(total("up"), "instances scraped"),
        ),
        graph(
            "Workers lost",
            "Workers replaced in the five minutes before, by why: `died` was killed or crashed, `stalled` hung in a"
            " forward pass, `silent` gave no sign of life. In a container the process ends instead, which its runtime"
            " counts.",
            COUNT,
            Query(increase("rerank_worker_restarts_total", by=("reason",), window="5m"), "{{reason}}"),
            stacked=True,
        ),
        graph(
            "Memory",
            "Resident memory of the workers of each instance. It should settle within minutes of load.",
            BYTES,
            Query(total("rerank_process_resident_memory_bytes", by=("instance",)), "{{instance}}"),
        ),
        graph(
            "Processors",
            "Processors that the workers of each instance keep busy. With a model on the CPU all that it may use,"
            " under load.",
            COUNT,
            Query(rate("rerank_process_cpu_seconds_total", by=("instance",)), "{{instance}}"),
        ),
        graph(
            "File descriptors",
            "Share of the file descriptors that a worker may have open, of the worker with the most. At 100 % no"
            " connection is accepted.",
            SHARE,
            Query(ratio(chosen("rerank_process_open_fds"), chosen("rerank_process_max_fds")), "{{instance}}"),
            top=1,
        ),
        graph(
            "Tasks of the event loop",
            "It follows connections and requests, and returns with them. One that only grows is a leak.",
            COUNT,
            Query(total("rerank_asyncio_tasks", by=("instance",)), "{{instance}}"),
        ),
    ]
