"""Debian's Prometheus with the rules and the configuration of deploy/, quicker, and pointed at servers of the tests."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import yaml

from support.fetching import fetch
from support.server import REPOSITORY, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = REPOSITORY / "deploy" / "prometheus"
RULES = FOLDER / "rules.yml"
CONFIG = FOLDER / "prometheus.yml"


def needs(program: str) -> pytest.MarkDecorator:
    """Skips a test where Debian's package is not installed."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program} of Debian's package prometheus")


class PrometheusServer:
    """One that runs; asked over its HTTP API."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> Any:
        """What `/api/v1/` answers under that path."""
        answer = json.loads(_fetch(f"{self.url}/api/v1/{path}"))
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression now."""
        series: list[dict[str, Any]] = self.get(f"query?query={quote(expression)}")["result"]
        return series

    @property
    def rules(self) -> list[dict[str, Any]]:
        """Every rule and how it is."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def states(self, alert: str) -> set[str]:
        """`pending` and `firing`, or nothing."""
        return {each["state"] for each in self.get("alerts")["alerts"] if each["labels"]["alertname"] == alert}


@contextmanager
def running_prometheus(
    folder: Path, *targets: str, rules: dict[str, Any] | None = None, job: dict[str, Any] | None = None
) -> Iterator[PrometheusServer]:
    """Scrapes the servers at the URLs `targets` every second; `job` is added to the job's configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_load(CONFIG.read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    (bentorank, *_) = config["scrape_configs"]
    del bentorank["dns_sd_configs"]
    bentorank["static_configs"] = [{"targets": [url.removeprefix("http://") for url in targets]}]
    bentorank.update(job or {})
    config["scrape_configs"] = [bentorank]
    groups = rules or yaml.safe_load(RULES.read_text())
    for group in groups["groups"]:
        group["interval"] = "1s"
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "rules.yml").write_text(yaml.safe_dump(groups))
    port = free_port()
    options = [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={folder / 'prometheus.yml'}", *options], stdout=log, stderr=log
        )
    server = PrometheusServer(port)
    try:
        wait_until(lambda: _is_ready(server), within_s=30)
        yield server
    finally:
        process.kill()
        process.wait()


def _is_ready(server: PrometheusServer) -> bool:
    try:
        return fetch(f"{server.url}/-/ready")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def _fetch(url: str) -> bytes:
    # With its query, which `fetch` leaves out.
    address, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request("GET", f"/{path}")
        return connection.getresponse().read()
    finally:
        connection.close()
