"""Latency of an answer whose documents are all remembered: one client, HTTP and all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.harness.contenders import BENTORANK
from benchmarks.harness.request_sets import rounds_of_requests
from benchmarks.harness.servers import run_server
from benchmarks.harness.targets import ServerTarget
from benchmarks.harness.texts import read_sample

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = 100
REQUESTS = 50
TIMES = 6
SEED = 31
FAKE = {"BENTORANK_ENGINE": "fake"}


def measure_answers(folder: Path, redis_url: str) -> dict[str, dict[str, float]]:
    """Percentiles in milliseconds with each level alone."""
    settings = {"memory": FAKE, "redis": FAKE | {"BENTORANK_CACHE_BYTES": "0", "BENTORANK_CACHE_URL": redis_url}}
    (requests,) = rounds_of_requests(read_sample(), rounds=1, requests=REQUESTS, documents=DOCUMENTS, seed=SEED)
    measured = {}
    for level, environment in settings.items():
        with run_server(replace(BENTORANK, name=level, environment=environment), "fake") as server:
            target = ServerTarget(server, 1, folder)
            target.measure(requests * 2)
            measured[level] = target.measure(requests * TIMES)["latency_ms"]
    return measured
