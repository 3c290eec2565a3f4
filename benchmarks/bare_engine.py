"""The engine alone on the requests of a load run: the most that any server around it could reach.

Reads paths of request bodies from standard input, one a line, and answers each with a line of JSON. Takes engine and
token budget from the same `BENTORANK_…` settings as the service.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from bentorank.engines.loading import load_engine
from bentorank.scheduling.batching import BatchBudget, plan_batch
from bentorank.settings import read_settings
from bentorank.types import Pair
from bentorank.wiring import engine_options, scheduler_limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bentorank.engines.protocol import Engine
    from bentorank.types import EncodedPair


@dataclass(frozen=True, slots=True)
class BareRun:
    """`forward_s` is the part of `seconds` in forward passes, the rest is tokenising; tokens exclude padding."""

    pairs: int
    pairs_per_s: float
    seconds: float
    forward_s: float
    tokens: int
    padded_tokens: int


def measure(engine: Engine, pairs: Sequence[Sequence[Pair]], budget: BatchBudget) -> BareRun:
    """Encode and score the pairs of each window, longest first, in the batches that the scheduler would plan."""
    started = time.perf_counter()
    forward_s = 0.0
    tokens = padded_tokens = 0
    for window in pairs:
        for batch in longest_first(engine.encode(window), budget):
            begun = time.perf_counter()
            engine.forward(batch)
            forward_s += time.perf_counter() - begun
            tokens += sum(pair.length for pair in batch)
            padded_tokens += len(batch) * batch[0].length
    seconds = time.perf_counter() - started
    count = sum(map(len, pairs))
    return BareRun(count, count / seconds, seconds, forward_s, tokens, padded_tokens)


def longest_first(encoded: Sequence[EncodedPair], budget: BatchBudget) -> Iterator[list[EncodedPair]]:
    """Batches within the budget, of pairs in descending length."""
    left = sorted(encoded, key=lambda pair: -pair.length)
    while left:
        taken = plan_batch([[pair.length for pair in left]], budget)[0].stop
        yield left[:taken]
        left = left[taken:]


def windows(bodies: Path, requests_in_sight: int) -> list[list[Pair]]:
    """The pairs of a file of native request bodies, in windows of so many requests."""
    requests = [orjson.loads(line) for line in bodies.read_bytes().splitlines()]
    pairs = [[Pair(request["query"], text) for text in request["documents"]] for request in requests]
    starts = range(0, len(pairs), requests_in_sight)
    return [list(chain.from_iterable(pairs[start : start + requests_in_sight])) for start in starts]


def main(clients: Annotated[int, typer.Option(help="Requests that a server would see at once.")] = 8) -> None:
    """Load the engine, say so, and measure a file a line until standard input ends."""
    settings = read_settings()
    engine = load_engine(engine_options(settings, 1))
    engine.warm_up()
    limits = scheduler_limits(settings, engine.info)
    budget = BatchBudget(limits.max_batch_tokens, limits.forward_overhead_tokens)
    answer: dict[str, Any] = {"ready": asdict(engine.info)}
    while True:
        sys.stdout.write(orjson.dumps(answer).decode() + "\n")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            return
        answer = asdict(measure(engine, windows(Path(line.strip()), clients), budget))


if __name__ == "__main__":
    typer.run(main)
