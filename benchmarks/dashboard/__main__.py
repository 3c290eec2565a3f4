"""Draw the dashboard from a loaded service: python -m benchmarks.dashboard. Needs prometheus and redis-server."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console

from benchmarks.dashboard.course import (
    REDIS_GONE_FROM,
    REDIS_GONE_UNTIL,
    WORKER_KILLED_AT,
    Course,
    Incidents,
    kill_a_worker,
)
from benchmarks.dashboard.panels import look
from benchmarks.dashboard.picture import draw_row
from benchmarks.dashboard.prometheus_process import SCRAPE_EVERY_S, running_prometheus
from benchmarks.dashboard.report import as_markdown, as_result
from benchmarks.dashboard.traffic import Callers
from benchmarks.harness.contenders import BENTORANK
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.results_files import RESULTS, write_results
from benchmarks.harness.servers import LOG_TAIL, ServerError, run_server
from benchmarks.harness.texts import read_sample
from benchmarks.score_cache.redis_process import running_redis

PICTURES = Path(__file__).parents[2] / "docs" / "images"
# So little that it has to forget.
CACHE_BYTES = 150_000


def main(
    *,
    minutes: Annotated[float, typer.Option(min=0.5, help="How long the load lasts.")] = 5.0,
    out: Annotated[Path, typer.Option(help="Folder of dashboard.json and dashboard.md.")] = RESULTS,
    pictures: Annotated[Path, typer.Option(help="Folder of a PNG for each row.")] = PICTURES,
) -> None:
    """Load a service with some of everything, and ask Prometheus what every panel of the dashboard asks."""
    # Asked to end, as by `timeout`, this process must still stop the servers: no session leader dies with its parent.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(running_redis())
        environment = {
            "BENTORANK_MODEL": "{model}",
            "BENTORANK_CACHE_URL": redis.url,
            "BENTORANK_CACHE_BYTES": str(CACHE_BYTES),
            "BENTOML_HOME": str(folder / "bentoml"),
        }
        server = stack.enter_context(run_server(replace(BENTORANK, environment=environment), "starter"))
        prometheus = stack.enter_context(running_prometheus(folder, server.port))
        incidents = Incidents(
            [
                (REDIS_GONE_FROM, redis.stop),
                (REDIS_GONE_UNTIL, redis.start),
                (WORKER_KILLED_AT, lambda: kill_a_worker(server.pid)),
            ]
        )
        url = f"http://127.0.0.1:{server.port}"
        course = Course(url, minutes * 60, iter(Callers(read_sample(), seed=1)), incidents)
        began = time.time()  # noqa: TID251 - Prometheus keeps dates
        capacity = asyncio.run(course.run())
        if psutil.Process(server.pid).status() == psutil.STATUS_ZOMBIE:
            raise ServerError(f"the service ended under the load:\n{server.log().decode(errors='replace')[-LOG_TAIL:]}")
        time.sleep(2 * SCRAPE_EVERY_S)
        shown = look(prometheus, began, time.time())  # noqa: TID251
    result = {
        "machine": asdict(describe_machine()),
        "seconds": minutes * 60,
        "requests_per_s": capacity,
        "outcomes": dict(course.statuses.most_common()),
        "panels": as_result(shown),
    }
    write_results(out, "dashboard", result, as_markdown(result))
    pictures.mkdir(parents=True, exist_ok=True)
    for row in dict.fromkeys(each.row for each in shown):
        own = [each for each in shown if each.row == row]
        draw_row(row, own, pictures / f"dashboard-{row.split()[0].lower()}.png")
    Console().print(as_markdown(result))


if __name__ == "__main__":
    typer.run(main)
