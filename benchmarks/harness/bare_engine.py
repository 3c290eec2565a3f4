"""The engine alone on the requests of a load run: the most that any server around it could reach.

Reads paths of request bodies from standard input, one a line, and answers each with a line of JSON. Takes engine and
token budget from the same `BENTORANK_…` settings as the service.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from benchmarks.load.summary import percentiles_ms
from bentorank.engines.loading import load_engine
from bentorank.scheduling.batching import BatchBudget
from bentorank.scheduling.queue import FairQueue, QueuedRequest
from bentorank.settings import read_settings
from bentorank.types import Pair
from bentorank.wiring import engine_options, scheduler_limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.engines.protocol import Engine, EngineInfo
    from bentorank.scheduling import SchedulerLimits
    from bentorank.types import EncodedPair


@dataclass(frozen=True, slots=True)
class BareRun:
    """`forward_s` is the part of `seconds` in forward passes, a mean over the threads; `tokens` exclude padding.

    `latency_ms` is that of a window: of a request where there is one at a time, else of several together.
    """

    pairs: int
    pairs_per_s: float
    seconds: float
    forward_s: float
    tokens: int
    padded_tokens: int
    latency_ms: dict[str, float]


class Window:
    """The pairs that are seen at once, handed out longest first in the batches that the scheduler would plan."""

    def __init__(self, encoded: Sequence[EncodedPair], limits: SchedulerLimits, info: EngineInfo) -> None:
        self._queue = FairQueue()
        self._queue.add(QueuedRequest.of(encoded, deadline=None))
        self._budget = BatchBudget(
            limits.max_batch_tokens, limits.forward_overhead_tokens, info.padding_free, info.padded_width
        )
        self._info = info
        self._lock = Lock()
        self.forward_s = 0.0
        self.padded_tokens = 0

    def take(self) -> list[EncodedPair]:
        """The next batch; empty when all are taken. For any thread."""
        with self._lock:
            if not len(self._queue):
                return []
            budget = self._budget.for_one_of(self._info.streams, self._queue.tokens)
            return [pair for share in self._queue.take_batch(budget) for pair in share.pairs]

    def record(self, batch: Sequence[EncodedPair], seconds: float) -> None:
        """Count a batch that is done. For any thread."""
        tokens = self._info.computed_tokens([pair.length for pair in batch])
        with self._lock:
            self.forward_s += seconds / self._info.forward_threads
            self.padded_tokens += tokens


def measure(engine: Engine, pairs: Sequence[Sequence[Pair]], limits: SchedulerLimits) -> BareRun:
    """Encode and score the pairs of one window after the other, on as many threads as the engine takes."""
    started = time.perf_counter()
    forward_s = 0.0
    tokens = padded_tokens = 0
    window_s: list[float] = []
    threads = engine.info.forward_threads
    with ThreadPoolExecutor(threads) as pool:
        for texts in pairs:
            begun = time.perf_counter()
            encoded = engine.encode(texts)
            window = Window(encoded, limits, engine.info)
            list(pool.map(_work_off, [engine] * threads, [window] * threads))
            window_s.append(time.perf_counter() - begun)
            forward_s += window.forward_s
            padded_tokens += window.padded_tokens
            tokens += sum(pair.length for pair in encoded)
    seconds = time.perf_counter() - started
    count = sum(map(len, pairs))
    return BareRun(count, count / seconds, seconds, forward_s, tokens, padded_tokens, percentiles_ms(window_s))


def _work_off(engine: Engine, window: Window) -> None:
    while batch := window.take():
        begun = time.perf_counter()
        engine.forward(batch)
        window.record(batch, time.perf_counter() - begun)


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
    answer: dict[str, Any] = {"ready": asdict(engine.info)}
    while True:
        sys.stdout.write(orjson.dumps(answer).decode() + "\n")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            return
        answer = asdict(measure(engine, windows(Path(line.strip()), clients), limits))


if __name__ == "__main__":
    typer.run(main)
