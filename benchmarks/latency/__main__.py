"""Latency of servers at given request rates, open loop: a server that stalls is charged for those who wait."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from benchmarks.harness.contenders import BENTORANK, servers_named
from benchmarks.harness.load_process import run_load
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.plots import Panel, draw_panels
from benchmarks.harness.request_sets import rounds_of_requests
from benchmarks.harness.results_files import RESULTS, machine_sentence, markdown_table, write_results
from benchmarks.harness.servers import start_servers
from benchmarks.harness.targets import write_bodies
from benchmarks.harness.texts import read_sample
from bentorank.wiring import resolve_model

if TYPE_CHECKING:
    from collections.abc import Sequence

SEED = 13
SHARES = ("p50", "p95", "p99")


def as_markdown(result: dict[str, Any]) -> str:
    """A row for each contender at each rate."""
    header = ["", "requests/s", "p50 ms", "p95 ms", "p99 ms", "answered", "failed"]
    rows = [_row(run) for run in result["runs"]]
    title = f"{result['documents']} documents a request, Poisson arrivals"
    return "\n\n".join(("# Latency", title, markdown_table(header, rows), machine_sentence(result["machine"])))


def _row(run: dict[str, Any]) -> list[str]:
    failed = sum(run["failures"].values())
    latencies = (f"{run['latency_ms'][share]:.0f}" if run["latency_ms"] else "–" for share in SHARES)
    return [run["contender"], f"{run['rate_per_s']:g}", *latencies, str(run["requests"] - failed), str(failed)]


def draw(result: dict[str, Any], folder: Path) -> None:
    """A plot for each percentile."""
    draw_panels([_panel(share, result["runs"]) for share in SHARES], folder / "latency.svg", columns=3)


def _panel(share: str, runs: Sequence[dict[str, Any]]) -> Panel:
    lines: dict[str, list[tuple[float, float]]] = {}
    for run in runs:
        if run["latency_ms"]:
            lines.setdefault(run["contender"], []).append((run["rate_per_s"], run["latency_ms"][share]))
    return Panel(share, "offered load, requests/s", "latency, ms", lines, log_y=True)


def main(  # noqa: PLR0913  each parameter is one option
    *,
    rate: Annotated[list[float], typer.Option(help="Requests a second, ascending; repeat for several.")],
    contender: Annotated[list[str] | None, typer.Option(help="A server of contenders.py; repeatable.")] = None,
    model: Annotated[str, typer.Option(help="`starter` or the folder of a cross-encoder.")] = "starter",
    requests: Annotated[int, typer.Option(min=1, help="Requests at each rate.")] = 100,
    documents: Annotated[int, typer.Option(min=1, help="Documents of a request.")] = 20,
    out: Annotated[Path, typer.Option(help="Folder of latency.json, latency.md and latency.svg.")] = RESULTS,
) -> None:
    """Measure each rate on requests of its own; the first set of requests warms the servers up."""
    console = Console()
    sets = rounds_of_requests(read_sample(), rounds=len(rate) + 1, requests=requests, documents=documents, seed=SEED)
    runs = []
    with ExitStack() as stack:
        bodies = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "bodies.jsonl"
        chosen = servers_named(contender or [BENTORANK.name])
        servers = start_servers(chosen, resolve_model(model), stack, console)
        for server in servers:
            write_bodies(bodies, sets[0], server.contender.write_body)
            run_load(server.rerank_url, bodies)
        for rate_per_s, requests_at_rate in track(list(zip(rate, sets[1:], strict=True)), "measuring", console=console):
            for server in servers:
                write_bodies(bodies, requests_at_rate, server.contender.write_body)
                run = run_load(server.rerank_url, bodies, "--rate-per-s", str(rate_per_s))
                runs.append({"contender": server.contender.name, "rate_per_s": rate_per_s} | run)
    result = {"machine": asdict(describe_machine()), "documents": documents, "runs": runs}
    write_results(out, "latency", result, as_markdown(result))
    draw(result, out)
    console.print(as_markdown(result))


if __name__ == "__main__":
    typer.run(main)
