"""Latency of a contender at given request rates, open loop: a server that stalls is charged for those who wait."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.contenders import BENTORANK, CONTENDERS
from benchmarks.load_process import run_load
from benchmarks.machine import describe_machine
from benchmarks.request_sets import rounds_of_requests
from benchmarks.results_files import RESULTS, machine_sentence, markdown_table, write_results
from benchmarks.servers import run_server
from benchmarks.targets import write_bodies
from benchmarks.texts import read_sample
from bentorank.wiring import resolve_model

SEED = 13


def as_markdown(result: dict[str, Any]) -> str:
    """A row for each rate."""
    header = ["requests/s", "p50 ms", "p95 ms", "p99 ms", "answered", "failed"]
    rows = [_row(run) for run in result["runs"]]
    title = f"{result['contender']}, {result['documents']} documents a request, Poisson arrivals"
    return "\n\n".join(("# Latency", title, markdown_table(header, rows), machine_sentence(result["machine"])))


def _row(run: dict[str, Any]) -> list[str]:
    failed = sum(run["failures"].values())
    latencies = (f"{run['latency_ms'][share]:.0f}" if run["latency_ms"] else "–" for share in ("p50", "p95", "p99"))
    return [f"{run['rate_per_s']:g}", *latencies, str(run["requests"] - failed), str(failed)]


def main(  # noqa: PLR0913  each parameter is one option
    *,
    rate: Annotated[list[float], typer.Option(help="Requests a second; repeat for several.")],
    contender: Annotated[str, typer.Option(help="One of contenders.py.")] = BENTORANK.name,
    model: Annotated[str, typer.Option(help="`starter` or the folder of a cross-encoder.")] = "starter",
    requests: Annotated[int, typer.Option(min=1, help="Requests at each rate.")] = 100,
    documents: Annotated[int, typer.Option(min=1, help="Documents of a request.")] = 20,
    out: Annotated[Path, typer.Option(help="Folder of latency.json and latency.md.")] = RESULTS,
) -> None:
    """Measure each rate on requests of its own; the first set of requests warms the server up."""
    sets = rounds_of_requests(read_sample(), rounds=len(rate) + 1, requests=requests, documents=documents, seed=SEED)
    chosen = CONTENDERS[contender]
    runs = []
    with tempfile.TemporaryDirectory() as scratch, run_server(chosen, resolve_model(model)) as server:
        bodies = Path(scratch) / "bodies.jsonl"
        write_bodies(bodies, sets[0], chosen.write_body)
        run_load(server.rerank_url, bodies)
        for rate_per_s, requests_at_rate in zip(rate, sets[1:], strict=True):
            write_bodies(bodies, requests_at_rate, chosen.write_body)
            runs.append(
                {"rate_per_s": rate_per_s} | run_load(server.rerank_url, bodies, "--rate-per-s", str(rate_per_s))
            )
    machine = asdict(describe_machine())
    result = {"machine": machine, "contender": contender, "documents": documents, "runs": runs}
    write_results(out, "latency", result, as_markdown(result))
    Console().print(as_markdown(result))


if __name__ == "__main__":
    typer.run(main)
