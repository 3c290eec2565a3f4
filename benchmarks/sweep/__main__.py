"""Servers over shapes of requests and numbers of clients, and the cost of a pair over documents in a request."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from benchmarks.harness.contenders import BENTORANK, TUTORIAL, servers_named
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.paired_rounds import measure_rounds
from benchmarks.harness.request_sets import rounds_of_requests
from benchmarks.harness.results_files import RESULTS, write_results
from benchmarks.harness.servers import start_servers
from benchmarks.harness.targets import ServerTarget
from benchmarks.harness.texts import read_data_dir, read_sample
from benchmarks.peers.contenders import BENTOML_BATCHABLE, BENTOML_SORTED
from benchmarks.sweep.plots import draw
from benchmarks.sweep.report import as_markdown
from benchmarks.sweep.shapes import DOCUMENT_COUNTS, SHAPES, Point, mixed, points
from benchmarks.throughput.report import summarise
from bentorank.wiring import resolve_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.harness.servers import RunningServer
    from benchmarks.harness.texts import Texts

SEED = 13
DEFAULT_CONTENDERS = (TUTORIAL.name, BENTOML_BATCHABLE.name, BENTOML_SORTED.name, BENTORANK.name)


@dataclass(frozen=True, slots=True)
class Drawing:
    """How often a point is measured, and the seed of its requests."""

    rounds: int
    seed: int


def measure_point(
    point: Point, servers: Sequence[RunningServer], texts: Texts, drawing: Drawing, scratch: Path
) -> dict[str, Any]:
    """What all servers make of it, each on the same requests; requests of a round before the first warm them up."""
    targets = [ServerTarget(server, point.clients, scratch) for server in servers]
    warm_up, *measured = rounds_of_requests(
        point.shape.texts(texts),
        rounds=drawing.rounds + 1,
        requests=point.requests,
        documents=point.shape.documents,
        seed=drawing.seed,
    )
    measure_rounds(targets, [warm_up[: point.clients]])
    setup = {"shape": point.shape.name, "documents": point.shape.documents, "clients": point.clients}
    return setup | {"requests": point.requests, "contenders": summarise(measure_rounds(targets, measured))}


def main(  # noqa: PLR0913  each parameter is one option
    *,
    model: Annotated[str, typer.Option(help="`starter` or the folder of a cross-encoder.")] = "starter",
    data: Annotated[Path | None, typer.Option(help="SciFact and SQuAD, instead of the sample.")] = None,
    contender: Annotated[list[str] | None, typer.Option(help="A server of contenders.py; repeatable.")] = None,
    shape: Annotated[list[str] | None, typer.Option(help="One of shapes.py, such as '50 × mixed'; repeatable.")] = None,
    clients: Annotated[list[int] | None, typer.Option(min=1, help="Instead of each shape's own; repeatable.")] = None,
    documents: Annotated[bool, typer.Option(help="Cost over documents in a request, too.")] = True,
    rounds: Annotated[int, typer.Option(min=1)] = 2,
    pairs: Annotated[int, typer.Option(min=1, help="Of a round at each point, at least.")] = 400,
    out: Annotated[Path, typer.Option(help="Folder of sweep.json, sweep.md and the plots.")] = RESULTS,
) -> None:
    """Measure every shape at several numbers of clients, closed loop, servers in alternating order."""
    console, texts = Console(), read_sample() if data is None else read_data_dir(data)
    chosen = [known for known in SHAPES if shape is None or known.name in shape]
    counts = [count for count in DOCUMENT_COUNTS if documents and count <= len(texts.passages)]
    over_clients = list(points(chosen, clients, pairs))
    over_documents = list(points([mixed(count) for count in counts], None, pairs))
    if not (over_clients or over_documents):
        raise typer.BadParameter(f"the shapes are {', '.join(known.name for known in SHAPES)}", param_hint="--shape")
    measured: list[dict[str, Any]] = []
    try:
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            chosen_servers = servers_named(contender or DEFAULT_CONTENDERS)
            servers = start_servers(chosen_servers, resolve_model(model), stack, console)
            for number, point in enumerate((*over_clients, *over_documents)):
                console.print(f"{point.shape.name}, {point.clients} in flight, {point.requests} requests a round")
                measured.append(measure_point(point, servers, texts, Drawing(rounds, SEED + number), scratch))
    finally:
        # Also when it was stopped: a peer may take for ever at one point.
        if measured:
            texts_name = "sample" if data is None else "SciFact and SQuAD"
            result = {
                "machine": asdict(describe_machine()),
                "setup": {"model": Path(model).name, "texts": texts_name, "rounds": rounds},
                "over_clients": measured[: len(over_clients)],
                "over_documents": measured[len(over_clients) :],
            }
            markdown = as_markdown(result)
            console.print(markdown)
            write_results(out, "sweep", result, markdown)
            draw(result, out)


if __name__ == "__main__":
    typer.run(main)
