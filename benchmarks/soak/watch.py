"""Looks at the service from outside: /proc for memory, descriptors and threads, /metrics for tasks and connections."""

from __future__ import annotations

import urllib.request

import psutil
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.harness.memory import MIB
from benchmarks.soak.log import Sample

TIMEOUT_S = 10.0


def look(pid: int, metrics_url: str, at_s: float) -> Sample:
    """Process `pid` and all that it has started."""
    gauges = _gauges(metrics_url)
    root = psutil.Process(pid)
    rss = descriptors = threads = 0
    for process in [root, *root.children(recursive=True)]:
        with process.oneshot():
            rss += process.memory_info().rss
            descriptors += process.num_fds()
            threads += process.num_threads()
    # Of which one is this scrape's own, closed by now.
    connections = max(0, int(gauges.get("rerank_connections", 1)) - 1)
    return Sample(
        at_s=at_s,
        rss_mib=rss / MIB,
        descriptors=descriptors - connections,
        connections=connections,
        threads=threads,
        tasks=int(gauges.get("rerank_asyncio_tasks", 0)),
        cache_mib=gauges.get("rerank_cache_bytes", 0.0) / MIB,
    )


def _gauges(url: str) -> dict[str, float]:
    """Sums over their labels."""
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
        text = response.read().decode()
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        if family.type == "gauge":
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums
