"""A Prometheus of the benchmark's own, which scrapes one service, and its HTTP API."""

from __future__ import annotations

import subprocess
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.harness.servers import free_port, require_program, stop_session, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = "prometheus"
JOB, SCRAPE_EVERY_S = "bentorank", 2
READY_WITHIN_S = 30.0
CONFIG = """\
global: {{scrape_interval: {every_s}s, scrape_timeout: {every_s}s}}
scrape_configs:
  - job_name: {job}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""

# Of each series its labels, and its values by the second since 1970.
Answer = list[tuple[dict[str, str], list[tuple[float, float]]]]


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that runs at `url`."""

    url: str

    def over_time(self, promql: str, start_s: float, end_s: float, step_s: float) -> Answer:
        """What a graph draws. Raises HTTPError for what is no PromQL."""
        span = {"start": start_s, "end": end_s, "step": step_s}
        result = self._ask("query_range", {"query": promql, **span})
        return [(series["metric"], [(at, float(value)) for at, value in series["values"]]) for series in result]

    def at(self, promql: str, when_s: float) -> Answer:
        """What a table shows."""
        result = self._ask("query", {"query": promql, "time": when_s})
        return [(series["metric"], [(series["value"][0], float(series["value"][1]))]) for series in result]

    def _ask(self, call: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        body = urllib.parse.urlencode(parameters).encode()
        with urllib.request.urlopen(f"{self.url}/api/v1/{call}", body, timeout=60) as response:
            result: list[dict[str, Any]] = orjson.loads(response.read())["data"]["result"]
        return result


@contextmanager
def running_prometheus(folder: Path, port: int) -> Iterator[Prometheus]:
    """One that scrapes the service at `port`. Raises ServerError if the program is not installed."""
    require_program("the dashboard", PROGRAM)
    own_port = free_port()
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(every_s=SCRAPE_EVERY_S, job=JOB, port=port))
    process = subprocess.Popen(
        [
            PROGRAM,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{own_port}",
            "--log.level=warn",
        ],
        start_new_session=True,
    )
    try:
        wait_until_ready(f"http://127.0.0.1:{own_port}/-/ready", process, READY_WITHIN_S)
        yield Prometheus(f"http://127.0.0.1:{own_port}")
    finally:
        stop_session(process)
