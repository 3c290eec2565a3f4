"""What texts that are dear to tokenise cost a service with the shipped model, as many at a time as it reads bodies."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path  # noqa: TC003  typer reads the annotations when it runs
from string import ascii_lowercase
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import psutil
import typer
from rich.console import Console

from benchmarks.harness.contenders import BENTORANK
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.results_files import RESULTS, machine_sentence, markdown_table, write_results
from benchmarks.harness.servers import run_server
from benchmarks.hostile.bodies import MIB, Prober, fresh_peak, send
from benchmarks.hostile.watch import workers_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# Together as many bytes as all bodies in the service may have.
BODIES_AT_ONCE = 3
BODY_BYTES = 10 * MIB
ROUNDS = 3

# Nothing but the model is set.
DEFAULT = replace(BENTORANK, environment={"BENTORANK_MODEL": "{model}"})

LETTERS = " ".join(ascii_lowercase)
CHINESE = "".join(map(chr, range(0x4E00, 0x5200)))
# A text, and how many characters each of the documents that are filled with it has.
TEXTS = {
    "one-letter words": (LETTERS, 199_000),
    "one-letter words, short documents": (LETTERS, 9_500),
    "long words": ("abcdefghij" * 20 + " ", 199_000),
    "one word": ("x", 199_000),
    "Chinese": (CHINESE, 66_000),
    "emoji": ("\U0001f600\U0001f9ea", 50_000),
}
WAYS: dict[str, dict[str, Any]] = {
    "cut": {},
    "cut in front": {"truncation_side": "left"},
    "split": {"overflow": "chunk"},
    "first stage by words": {"first_stage": "embeddings", "keep": 2},
    "first stage, split": {"first_stage": "embeddings", "keep": 2, "overflow": "chunk"},
}


@dataclass(slots=True)
class TextCost:
    """What the bodies of one kind did in all rounds. `grown_mib` is the worker's peak above what it had when idle."""

    text: str
    way: str
    statuses: list[int]
    answer_s: float
    cpu_s: float
    silent_s: float
    grown_mib: float


def make_body(text: str, chars: int, way: dict[str, Any], number: int) -> bytes:
    """As large as a body may be; no two documents are alike, which would be read once."""
    document = (text * (chars // len(text) + 1))[:chars]
    count = min(1000, (BODY_BYTES - 1000) // (len(document.encode()) + 20))
    documents = [f"{number} {place} {document}" for place in range(count)]
    return orjson.dumps({"query": "a b", "documents": documents, **way})


def measure(text: str, way: str, console: Console) -> TextCost:
    """On a service of its own, since memory that is free again hides growth."""
    with run_server(DEFAULT, "starter") as server:
        (pid,) = workers_of(server.pid)
        send(server.port, "/rerank", orjson.dumps({"query": "a b", "documents": ["a b c", "d"]}))
        began_s, statuses, longest_s = cpu_seconds(pid), [], 0.0
        with fresh_peak(pid) as grown, Prober(server.port) as prober, ThreadPoolExecutor(BODIES_AT_ONCE) as callers:
            for number in range(ROUNDS):
                bodies = [
                    make_body(*TEXTS[text], WAYS[way], number * BODIES_AT_ONCE + i) for i in range(BODIES_AT_ONCE)
                ]
                started = time.perf_counter()
                statuses += callers.map(lambda body: send(server.port, "/rerank", body), bodies)
                longest_s = max(longest_s, time.perf_counter() - started)
        cpu_s = (cpu_seconds(pid) - began_s) / ROUNDS / BODIES_AT_ONCE
    cost = TextCost(text, way, statuses, longest_s, cpu_s, prober.longest_s, grown[0])
    console.print(" | ".join(_row(cost)))
    return cost


def cpu_seconds(pid: int) -> float:
    """Of all threads of a process."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def measure_all(only: str, console: Console) -> Iterator[TextCost]:
    """Every text in every way."""
    for text in TEXTS:
        for way in WAYS:
            if only in f"{text}, {way}":
                yield measure(text, way, console)


def as_markdown(result: dict[str, Any]) -> str:
    """A row for each text and way."""
    header = ["documents of", "way", "answers", "slowest s", "CPU s a body", "`/livez` silent s", "grown MiB"]
    rows = [_row(TextCost(**cost)) for cost in result["costs"]]
    title = (
        f"The shipped model, default limits, {BODIES_AT_ONCE} bodies of 10 MiB at a time, {ROUNDS} times. Grown is the"
        " worker's peak above what it has when it is idle, the bodies themselves included."
    )
    return "\n\n".join(("# Hostile texts", title, markdown_table(header, rows), machine_sentence(result["machine"])))


def _row(cost: TextCost) -> list[str]:
    answers = ", ".join(f"{cost.statuses.count(status)} × {status}" for status in sorted(set(cost.statuses)))
    return [
        cost.text,
        cost.way,
        answers,
        f"{cost.answer_s:.1f}",
        f"{cost.cpu_s:.2f}",
        f"{cost.silent_s:.3f}",
        f"{cost.grown_mib:.0f}",
    ]


def main(
    *,
    only: Annotated[str, typer.Option(help="Those with this in their text and way.")] = "",
    out: Annotated[Path, typer.Option(help="Folder of hostile_texts.json and hostile_texts.md.")] = RESULTS,
) -> None:
    """Send each kind of body to a service with the shipped model."""
    console = Console()
    costs = list(measure_all(only, console))
    result = {"machine": asdict(describe_machine()), "costs": [asdict(cost) for cost in costs]}
    write_results(out, "hostile_texts", result, as_markdown(result))


if __name__ == "__main__":
    typer.run(main)
