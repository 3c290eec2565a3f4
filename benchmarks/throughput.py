"""Pairs per second of bentorank over HTTP, of the tutorial's server and of the bare engine, in paired rounds."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from benchmarks.bare_process import run_bare_engine
from benchmarks.contenders import BENTORANK, CONTENDERS, TUTORIAL
from benchmarks.machine import describe_machine
from benchmarks.request_sets import rounds_of_requests
from benchmarks.results_files import RESULTS, write_results
from benchmarks.servers import run_server
from benchmarks.targets import BareTarget, ServerTarget
from benchmarks.texts import read_data_dir, read_sample
from benchmarks.throughput_report import as_markdown, as_tables, summarise
from bentorank.wiring import resolve_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.request_sets import Request
    from benchmarks.targets import Target

SEED = 13
# Threads of the process measured last stop spinning before the next one is measured.
SETTLE_S = 1.0
DEFAULT_CONTENDERS = (TUTORIAL.name, BENTORANK.name)


def measure_rounds(targets: Sequence[Target], rounds: Sequence[Sequence[Request]]) -> list[dict[str, Any]]:
    """Results by target for each round. Every other round goes backwards, so that drift favours nobody."""
    measured = []
    for number, requests in enumerate(rounds):
        results = {}
        for target in reversed(targets) if number % 2 else targets:
            time.sleep(SETTLE_S)
            results[target.name] = target.measure(requests)
        measured.append({target.name: results[target.name] for target in targets})
    return measured


def main(  # noqa: PLR0913  each parameter is one option
    *,
    model: Annotated[str, typer.Option(help="`starter` or the folder of a cross-encoder.")] = "starter",
    data: Annotated[Path | None, typer.Option(help="SciFact and SQuAD, instead of the sample.")] = None,
    contender: Annotated[list[str] | None, typer.Option(help="One of contenders.py; repeatable.")] = None,
    rounds: Annotated[int, typer.Option(min=1)] = 5,
    requests: Annotated[int, typer.Option(min=1, help="Requests of a round.")] = 48,
    documents: Annotated[int, typer.Option(min=1, help="Documents of a request.")] = 50,
    clients: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 8,
    out: Annotated[Path, typer.Option(help="Folder of throughput.json and throughput.md.")] = RESULTS,
) -> None:
    """Compare contenders and the bare engine on the same requests of real text, closed loop, same model."""
    console, folder = Console(), resolve_model(model)
    texts = read_sample() if data is None else read_data_dir(data)
    # One round more than is reported: the first warms every target up.
    sets = rounds_of_requests(texts, rounds=rounds + 1, requests=requests, documents=documents, seed=SEED)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = []
        for name in contender or DEFAULT_CONTENDERS:
            servers.append(stack.enter_context(run_server(CONTENDERS[name], folder)))
            console.print(f"{name}: ready after {servers[-1].ready_s:.1f} s")
        bare = stack.enter_context(run_bare_engine(folder, clients))
        targets: list[Target] = [*(ServerTarget(server, clients, scratch) for server in servers)]
        targets.append(BareTarget(bare, scratch))
        with console.status("measuring"):
            _, *measured = measure_rounds(targets, sets)
        processes = {
            server.contender.name: {"ready_s": server.ready_s, "memory": asdict(server.memory())} for server in servers
        }
    result = {
        "machine": asdict(describe_machine()),
        "setup": {
            "engine": bare.info | {"model": Path(folder).name},
            "texts": "sample" if data is None else "SciFact and SQuAD",
            "rounds": rounds,
            "requests": requests,
            "documents": documents,
            "clients": clients,
        },
        "processes": processes,
        "rounds": measured,
        "summary": summarise(measured),
    }
    console.print(as_tables(result))
    write_results(out, "throughput", result, as_markdown(result))


if __name__ == "__main__":
    typer.run(main)
