"""What the service adds to the model: requests a second and latency with an engine that takes no time.

The fake engine hashes words where a real one tokenises, and that is part of what is measured.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.harness.contenders import BENTORANK, FRESH_SCORES
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.request_sets import Request, rounds_of_requests
from benchmarks.harness.results_files import RESULTS, machine_sentence, markdown_table, write_results
from benchmarks.harness.servers import run_server
from benchmarks.harness.targets import ServerTarget
from benchmarks.harness.texts import read_sample

SEED = 13
FAKE = replace(BENTORANK, name="fake engine", environment={"BENTORANK_ENGINE": "fake", **FRESH_SCORES})


def as_markdown(result: dict[str, Any]) -> str:
    """A row for each number of clients."""
    header = ["clients", "requests/s", "p50 ms", "p99 ms", "server CPU ms a request", "failed"]
    rows = [_row(run) for run in result["runs"]]
    title = (
        f"{result['documents']} documents of at most {result['words']} words a request, closed loop, fake engine"
        " without delay. The load generator shares the machine with the server."
    )
    return "\n\n".join(("# The HTTP layer", title, markdown_table(header, rows), machine_sentence(result["machine"])))


def _row(run: dict[str, Any]) -> list[str]:
    per_s, cpu_ms = run["requests"] / run["seconds"], run["server_cpu_s"] / run["requests"] * 1e3
    latency = run["latency_ms"]
    failed = sum(run["failures"].values())
    return [
        str(run["clients"]),
        f"{per_s:.0f}",
        f"{latency['p50']:.2f}",
        f"{latency['p99']:.2f}",
        f"{cpu_ms:.2f}",
        str(failed),
    ]


def shortened(request: Request, words: int) -> Request:
    """The request with the first words of its documents."""
    return Request(request.query, tuple(" ".join(text.split()[:words]) for text in request.documents))


def main(
    *,
    clients: Annotated[list[int] | None, typer.Option(min=1, help="Requests in flight; repeat for several.")] = None,
    requests: Annotated[int, typer.Option(min=1, help="Requests of a run.")] = 1_000,
    documents: Annotated[int, typer.Option(min=1, help="Documents of a request.")] = 100,
    words: Annotated[int, typer.Option(min=1, help="Words of a document, at most.")] = 12,
    out: Annotated[Path, typer.Option(help="Folder of http_layer.json and http_layer.md.")] = RESULTS,
) -> None:
    """Measure with 1, 8 and 32 clients, after a run that warms the server up."""
    (distinct,) = rounds_of_requests(read_sample(), rounds=1, requests=50, documents=documents, seed=SEED)
    sent = [shortened(request, words) for request in distinct] * (requests // len(distinct))
    with tempfile.TemporaryDirectory() as scratch, run_server(FAKE, "fake") as server:
        ServerTarget(server, 8, Path(scratch)).measure(sent)
        runs = [
            {"clients": count} | ServerTarget(server, count, Path(scratch)).measure(sent)
            for count in clients or (1, 8, 32)
        ]
    machine = asdict(describe_machine())
    result = {"machine": machine, "documents": documents, "words": words, "runs": runs}
    write_results(out, "http_layer", result, as_markdown(result))
    Console().print(as_markdown(result))


if __name__ == "__main__":
    typer.run(main)
