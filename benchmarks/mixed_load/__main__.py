"""Small requests beside large ones: what a scheduler does for callers who share a server.

Small requests arrive at random, whether or not earlier ones are answered; beside them a few clients keep large requests
in flight all the time. By default all contenders run the same engine: what differs is which pairs it is given when.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from benchmarks.harness.contenders import BENTORANK, servers_named
from benchmarks.harness.load_process import run_load
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.paired_rounds import measure_rounds
from benchmarks.harness.request_sets import rounds_of_requests
from benchmarks.harness.results_files import RESULTS, write_results
from benchmarks.harness.servers import start_servers
from benchmarks.harness.targets import write_bodies
from benchmarks.harness.texts import read_data_dir, read_sample
from benchmarks.mixed_load.report import as_markdown, summarise
from benchmarks.peers.contenders import BENTOML_BATCHABLE, BENTOML_SORTED
from bentorank.wiring import resolve_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.harness.request_sets import Request
    from benchmarks.harness.servers import RunningServer

SMALL_SEED, LARGE_SEED = 13, 14
DEFAULT_CONTENDERS = (BENTORANK.name, BENTOML_BATCHABLE.name, BENTOML_SORTED.name)
# The large requests are in flight before the first small one comes.
LEAD_S = 2.0


@dataclass(frozen=True, slots=True)
class MixedLoad:
    """`rate_per_s` of small requests, and the number of clients with large ones."""

    rate_per_s: float
    large_clients: int


class MixedTarget:
    """A server under both loads at once. `large` are requests enough to keep its clients busy, the same each time."""

    def __init__(self, server: RunningServer, load: MixedLoad, large: Sequence[Request], folder: Path) -> None:
        self.name = server.contender.name
        self._server = server
        self._load = load
        self._small_bodies = folder / f"{self.name}-small.jsonl"
        self._large_bodies = folder / f"{self.name}-large.jsonl"
        write_bodies(self._large_bodies, large, server.contender.write_body)

    def measure(self, requests: Sequence[Request]) -> dict[str, Any]:
        """The `LoadSummary` of the small `requests` and that of the large ones, and all pairs per second."""
        write_bodies(self._small_bodies, requests, self._server.contender.write_body)
        with ThreadPoolExecutor(1) as beside:
            large = beside.submit(self._run_large, LEAD_S + len(requests) / self._load.rate_per_s)
            time.sleep(LEAD_S)
            small = run_load(self._server.rerank_url, self._small_bodies, "--rate-per-s", str(self._load.rate_per_s))
            return combine(small, large.result())

    def _run_large(self, for_s: float) -> dict[str, Any]:
        clients = str(self._load.large_clients)
        return run_load(self._server.rerank_url, self._large_bodies, "--clients", clients, "--for-s", str(for_s))


def combine(small: dict[str, Any], large: dict[str, Any]) -> dict[str, Any]:
    """Both summaries, and the pairs of both over the time of the longer run, which is that of the large requests."""
    pairs = small["pairs"] + large["pairs"]
    seconds = max(small["seconds"], large["seconds"])
    return {"small": small, "large": large, "pairs": pairs, "seconds": seconds, "pairs_per_s": pairs / seconds}


def main(  # noqa: PLR0913  each parameter is one option
    *,
    model: Annotated[str, typer.Option(help="`starter` or the folder of a cross-encoder.")] = "starter",
    data: Annotated[Path | None, typer.Option(help="SciFact and SQuAD, instead of the sample.")] = None,
    contender: Annotated[list[str] | None, typer.Option(help="A server of contenders.py; repeatable.")] = None,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    requests: Annotated[int, typer.Option(min=1, help="Small requests of a round.")] = 60,
    rate: Annotated[float, typer.Option(min=1e-3, help="Small requests a second.")] = 2.0,
    small_documents: Annotated[int, typer.Option(min=1, help="Documents of a small request.")] = 8,
    large_documents: Annotated[int, typer.Option(min=1, help="Documents of a large request.")] = 200,
    large_clients: Annotated[int, typer.Option(min=1, help="Large requests in flight.")] = 3,
    out: Annotated[Path, typer.Option(help="Folder of mixed_load.json and mixed_load.md.")] = RESULTS,
) -> None:
    """Throughput, and latency of small requests, where large ones are always in flight."""
    console, texts = Console(), read_sample() if data is None else read_data_dir(data)
    load = MixedLoad(rate, large_clients)
    small = rounds_of_requests(texts, rounds=rounds + 1, requests=requests, documents=small_documents, seed=SMALL_SEED)
    available = len(texts.queries) * (len(texts.passages) // large_documents)
    (large,) = rounds_of_requests(texts, rounds=1, requests=available, documents=large_documents, seed=LARGE_SEED)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        chosen = servers_named(contender or DEFAULT_CONTENDERS)
        servers = start_servers(chosen, resolve_model(model), stack, console)
        targets = [MixedTarget(server, load, large, scratch) for server in servers]
        _, *measured = measure_rounds(targets, small)
    result = {
        "machine": asdict(describe_machine()),
        "setup": {
            "model": Path(model).name,
            "texts": "sample" if data is None else "SciFact and SQuAD",
            "rounds": rounds,
            "requests": requests,
            "small_documents": small_documents,
            "large_documents": large_documents,
            **asdict(load),
        },
        "rounds": measured,
        "summary": summarise(measured),
    }
    markdown = as_markdown(result)
    console.print(markdown)
    write_results(out, "mixed_load", result, markdown)


if __name__ == "__main__":
    typer.run(main)
