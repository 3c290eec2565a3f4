"""Runs the service under mixed load for long, watches it, and says what grew. `make soak`.

The log is written as it goes. A run that is stopped early, by Ctrl-C too, is reported as far as it came; `--report`
reports a log again without running anything.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.harness.contenders import BENTORANK
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.results_files import RESULTS, write_results
from benchmarks.harness.servers import run_server
from benchmarks.harness.texts import read_sample
from benchmarks.soak.load import Arrivals, capacity, send_all, send_each
from benchmarks.soak.log import Log, read_log
from benchmarks.soak.measures import MINUTE_S, measure
from benchmarks.soak.report import as_markdown, draw
from benchmarks.soak.traffic import MEAN_DOCUMENTS, traffic
from benchmarks.soak.watch import look
from bentorank.wiring import resolve_model

if TYPE_CHECKING:
    from benchmarks.harness.servers import RunningServer

SEED = 13
CLIENTS = 8
CAPACITY_S, WARM_UP_S = 40.0, 5.0
FAULT_SHARE = 0.01
# In which what was lazily made at first is made: every kind of fault comes several times.
REQUESTS_BEFORE, FAULTS_BEFORE = 100, 0.2
IDLE_AFTER_S = 3.0
# The fake engine tokenises in Python, which would hold up the rest of the service: so passages are a few words long.
FAKE_WORDS = 12
FAKE = replace(
    BENTORANK,
    environment={
        "BENTORANK_ENGINE": "fake",
        "BENTORANK_MAX_BATCH_TOKENS": "128",
        "BENTORANK_FAKE_TOKEN_DELAY_US": "150",
    },
)


class Watcher:
    """Looks at the service every few seconds from a thread, and moves the progress bar."""

    def __init__(self, server: RunningServer, log: Log, *, begun: float, every_s: float, progress: Progress) -> None:
        self._server = server
        self._log = log
        self._begun = begun
        self._every_s = every_s
        self._progress = progress
        self._stopped = threading.Event()

    def watch(self) -> None:
        """Until stopped."""
        (task,) = self._progress.task_ids
        while not self._stopped.wait(self._every_s):
            # A busy service may be slow to answer a scrape; the next one is soon.
            with suppress(OSError):
                self.look()
            self._progress.update(task, completed=time.monotonic() - self._begun)

    def look(self, *, idle: bool = False) -> None:
        """Once."""
        url = self._server.rerank_url.replace("/rerank", "/metrics")
        self._log.sample(look(self._server.pid, url, time.monotonic() - self._begun), idle=idle)

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to be: `share` is of the capacity, `every_s` between two looks at the service."""

    engine: str
    minutes: float
    share: float
    every_s: float


def soak(server: RunningServer, log: Log, plan: Plan, console: Console) -> None:
    """Find the capacity, then load the service with a share of it for so long."""
    words = FAKE_WORDS if plan.engine == "fake" else None
    texts, url = read_sample(), server.rerank_url
    with console.status("measuring the capacity"):
        ordinary = traffic(texts, fault_share=0.0, words=words, seed=SEED)
        pairs_per_s = asyncio.run(capacity(url, ordinary, clients=CLIENTS, seconds=CAPACITY_S, warm_up_s=WARM_UP_S))
        first = traffic(texts, fault_share=FAULTS_BEFORE, words=words, seed=SEED + 1)
        asyncio.run(send_each(url, first, REQUESTS_BEFORE))
    rate_per_s = plan.share * pairs_per_s / MEAN_DOCUMENTS
    machine = asdict(describe_machine())
    log.setup({"machine": machine, **asdict(plan), "capacity_pairs_per_s": pairs_per_s, "rate_per_s": rate_per_s})
    time.sleep(IDLE_AFTER_S)
    arrivals = Arrivals(rate_per_s, plan.minutes * MINUTE_S, time.monotonic(), SEED)
    with Progress(console=console) as progress:
        progress.add_task(f"{rate_per_s:.1f} requests/s", total=arrivals.seconds)
        watcher = Watcher(server, log, begun=arrivals.begun, every_s=plan.every_s, progress=progress)
        watcher.look(idle=True)
        thread = threading.Thread(target=watcher.watch, daemon=True)
        thread.start()
        try:
            sent = traffic(texts, fault_share=FAULT_SHARE, words=words, seed=SEED + 2)
            asyncio.run(send_all(url, sent, arrivals, log.ended))
        finally:
            watcher.stop()
            thread.join()
    time.sleep(IDLE_AFTER_S)
    watcher.look(idle=True)


def report(log_path: Path, out: Path) -> None:
    """Write soak.json, soak.md and soak.svg from a log."""
    record = read_log(log_path)
    found = measure(record)
    result = {**record.setup, "found": found, "samples": [asdict(sample) for sample in record.samples]}
    markdown = as_markdown(record.setup, found)
    write_results(out, "soak", result, markdown)
    draw(record, out / "soak.svg")
    Console().print(markdown)


def main(  # noqa: PLR0913  each parameter is one option
    *,
    minutes: Annotated[float, typer.Option(min=1, help="Of load.")] = 30.0,
    share: Annotated[float, typer.Option(min=0.05, max=1, help="Of the capacity.")] = 0.7,
    engine: Annotated[Literal["auto", "fake"], typer.Option(help="`fake` takes no CPU.")] = "auto",
    model: Annotated[str, typer.Option(help="`starter` or the folder of a cross-encoder.")] = "starter",
    every_s: Annotated[float, typer.Option(min=1, help="Between two looks at the service.")] = 5.0,
    log: Annotated[Path, typer.Option(help="The log of the run.")] = Path("build/soak.jsonl"),
    out: Annotated[Path, typer.Option(help="Folder of soak.json, soak.md and soak.svg.")] = RESULTS,
    report_only: Annotated[bool, typer.Option("--report", help="Only report the log of an earlier run.")] = False,
) -> None:
    """Load the service for long and report what grew, slowed down or failed without a reason."""
    console = Console()
    log.parent.mkdir(parents=True, exist_ok=True)
    if not report_only:
        written = Log(log)
        try:
            with run_server(FAKE if engine == "fake" else BENTORANK, resolve_model(model)) as server:
                soak(server, written, Plan(engine, minutes, share, every_s), console)
        except KeyboardInterrupt:
            console.print("stopped: what was measured until now")
        finally:
            written.close()
    report(log, out)


if __name__ == "__main__":
    typer.run(main)
