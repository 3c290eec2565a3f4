"""Measure replicas: python -m benchmarks.replicas. Needs HAProxy, nginx, and at least two cores."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from benchmarks.harness.machine import describe_machine
from benchmarks.harness.paired_rounds import measure_rounds
from benchmarks.harness.request_sets import rounds_of_requests
from benchmarks.harness.results_files import RESULTS, write_results
from benchmarks.harness.texts import read_sample
from benchmarks.replicas.fleet import (
    FAKE,
    FAKE_AT_ONCE,
    FAKE_LARGE,
    direct_and_proxied,
    one_and_two,
    whole_and_halves,
    workers_of_one,
)
from benchmarks.replicas.report import as_markdown, compared
from benchmarks.replicas.requests import Shape, shaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.replicas.fleet import Way

SEED = 31
MANY, MANY_CLIENTS = Shape(requests=120, documents=20, words=12), 16
ONE_AT_A_TIME = Shape(requests=300, documents=8, words=12)
SHARED, SHARED_CLIENTS = Shape(requests=400, documents=50, words=None), 16
LONG, LONG_CLIENTS = Shape(requests=16, documents=50, words=None), 8


def main(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which each way answers the same requests.")] = 5,
    out: Annotated[Path, typer.Option(help="Folder of replicas.json and replicas.md.")] = RESULTS,
) -> None:
    """What a second instance adds, what the proxy costs, and whether to divide the cores of one machine."""

    def measured(shape: Shape, ways: Callable[[ExitStack, Path], Iterable[Way]]) -> list[dict[str, Any]]:
        sets = rounds_of_requests(
            read_sample(), rounds=rounds + 1, requests=shape.distinct, documents=shape.documents, seed=SEED
        )
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            targets = [*ways(stack, Path(folder))]
            return measure_rounds(targets, [shaped(requests, shape) for requests in sets])[1:]  # the first warms up

    result = {
        "machine": asdict(describe_machine()),
        "rounds": rounds,
        "fleet": compared(
            measured(MANY, lambda stack, folder: one_and_two(FAKE, stack, MANY_CLIENTS, folder)), first="one"
        ),
        "proxy": compared(
            measured(ONE_AT_A_TIME, lambda stack, folder: direct_and_proxied(FAKE_AT_ONCE, stack, 1, folder)),
            first="direct",
        ),
        "workers": compared(
            measured(SHARED, lambda stack, folder: workers_of_one(FAKE_LARGE, stack, SHARED_CLIENTS, folder)),
            first="1 worker",
        ),
        "cores": compared(
            measured(LONG, lambda stack, folder: whole_and_halves(stack, LONG_CLIENTS, folder)),
            first="one on all cores",
        ),
    }
    write_results(out, "replicas", result, as_markdown(result))
    Console().print(as_markdown(result))


if __name__ == "__main__":
    typer.run(main)
