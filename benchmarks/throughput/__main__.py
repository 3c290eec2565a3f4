"""Pairs per second of bentorank over HTTP, of the tutorial's server and of the bare engine, in paired rounds."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from benchmarks.harness.contenders import BARE_ENGINE, BENTORANK, TUTORIAL, programs_named, servers_named
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.paired_rounds import measure_rounds
from benchmarks.harness.request_sets import rounds_of_requests
from benchmarks.harness.results_files import RESULTS, write_results
from benchmarks.harness.scoring_process import run_program
from benchmarks.harness.servers import start_servers
from benchmarks.harness.targets import ProgramTarget, ServerTarget
from benchmarks.harness.texts import read_data_dir, read_sample
from benchmarks.throughput.report import as_markdown, as_tables, summarise
from bentorank.wiring import resolve_model

if TYPE_CHECKING:
    from benchmarks.harness.targets import Target

SEED = 13
DEFAULT_CONTENDERS = (TUTORIAL.name, BENTORANK.name)


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
    names = contender or DEFAULT_CONTENDERS
    texts = read_sample() if data is None else read_data_dir(data)
    # One round more than is reported: the first warms every target up.
    sets = rounds_of_requests(texts, rounds=rounds + 1, requests=requests, documents=documents, seed=SEED)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = start_servers(servers_named(names), folder, stack, console)
        *programs, bare = (
            stack.enter_context(run_program(program, folder, clients))
            for program in (*programs_named(names), BARE_ENGINE)
        )
        targets: list[Target] = [*(ServerTarget(server, clients, scratch) for server in servers)]
        targets += [ProgramTarget(process, scratch) for process in (*programs, bare)]
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
