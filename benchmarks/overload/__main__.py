"""Servers under more load than they can bear, and callers who share one: the scheduler's part of the service.

Every contender gets loads that are shares and multiples of its own capacity. With `--engine fake` a forward pass takes
its time but no CPU, so that neither the model nor the load generator beside it disturbs what is measured.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from benchmarks.harness.contenders import BENTORANK, FRESH_SCORES, servers_named
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.results_files import RESULTS, write_results
from benchmarks.harness.servers import start_servers
from benchmarks.harness.texts import read_sample
from benchmarks.overload.phases import Load, LoadedServer
from benchmarks.overload.report import as_markdown
from bentorank.wiring import resolve_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.harness.texts import Texts

DEFAULT = Load()
# The fake engine tokenises in Python, which would hold up the rest of the server: so passages are a few words long.
# Five of them make a batch of 20 ms, as on a CPU with the starter.
FAKE_WORDS = 12
FAKE = replace(
    BENTORANK,
    name="bentorank, fake engine",
    environment={
        **FRESH_SCORES,
        "BENTORANK_ENGINE": "fake",
        "BENTORANK_MAX_BATCH_TOKENS": "128",
        "BENTORANK_FAKE_TOKEN_DELAY_US": "150",
    },
)


# Two large requests may take longer than the service's own cap on deadlines, and would be refused: no load at all.
PATIENT = {"BENTORANK_REQUEST_TIMEOUT_S": "120"}


class Part(StrEnum):
    """What is measured of a server whose capacity is known."""

    BUSY = "busy"
    SURGE = "surge"
    FAIRNESS = "fairness"
    COSTS = "costs"


def shortened(texts: Texts, words: int) -> Texts:
    """The first words of each passage."""
    return replace(texts, passages=tuple(" ".join(passage.split()[:words]) for passage in texts.passages))


def measure(loaded: LoadedServer, parts: Iterable[Part], show: Callable[[str], None]) -> dict[str, Any]:
    """The capacity of a server, and the parts that are wanted; `show` is told which one it is at."""
    show("capacity")
    loaded.warm_up()
    capacity = loaded.capacity()
    found: dict[str, Any] = {"capacity": capacity}
    measures = {
        Part.BUSY: lambda: loaded.busy(capacity["pairs_per_s"]),
        Part.SURGE: lambda: loaded.surge(capacity["pairs_per_s"]),
        Part.FAIRNESS: lambda: loaded.fairness(capacity["pairs_per_s"]),
        Part.COSTS: loaded.costs,
    }
    for part in parts:
        show(part)
        found[part.value] = measures[part]()
    return found


def main(  # noqa: PLR0913  each parameter is one option
    *,
    contender: Annotated[list[str] | None, typer.Option(help="A server of contenders.py; repeatable.")] = None,
    engine: Annotated[Literal["auto", "fake"], typer.Option(help="bentorank's: `fake` takes no CPU.")] = "auto",
    model: Annotated[str, typer.Option(help="`starter` or the folder of a cross-encoder.")] = "starter",
    part: Annotated[list[Part] | None, typer.Option(help="Instead of all; repeatable.")] = None,
    seconds: Annotated[
        float, typer.Option(min=1, help="Of overload, and of 80 % of the capacity.")
    ] = DEFAULT.overload_s,
    documents: Annotated[int, typer.Option(min=1, help="Of a request but where sizes differ.")] = DEFAULT.documents,
    deadline_s: Annotated[float, typer.Option(min=0.1, help="Of a request under overload.")] = DEFAULT.deadline_s,
    fairness_seconds: Annotated[float, typer.Option(min=1, help="Of small requests, twice.")] = DEFAULT.small_s,
    out: Annotated[Path, typer.Option(help="Folder of overload.json and .md, or overload_fake.…")] = RESULTS,
) -> None:
    """Capacity, 80 % and 300 % of it, recovery, small requests beside large ones, and the cost of a pair by size."""
    durations = {"overload_s": seconds, "busy_s": seconds, "small_s": fairness_seconds}
    load = Load(documents=documents, deadline_s=deadline_s, **durations)
    is_fake = engine == "fake"
    chosen = [FAKE] if is_fake else servers_named(contender or [BENTORANK.name])
    texts = shortened(read_sample(), FAKE_WORDS) if is_fake else read_sample()
    console, runs = Console(), {}
    for each in chosen:
        patient = replace(each, environment={**each.environment, **PATIENT})
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            (server,) = start_servers([patient], resolve_model(model), stack, console)
            loaded = LoadedServer(server, texts, load, scratch)
            status = stack.enter_context(console.status(each.name))
            runs[each.name] = measure(loaded, part or Part, lambda now, of=status: of.update(f"measuring {now}"))
    setup = {"model": "fake" if is_fake else Path(model).name} | asdict(load)
    result = {"machine": asdict(describe_machine()), "setup": setup, "runs": runs}
    write_results(out, "overload_fake" if is_fake else "overload", result, as_markdown(result))
    console.print(as_markdown(result))


if __name__ == "__main__":
    typer.run(main)
