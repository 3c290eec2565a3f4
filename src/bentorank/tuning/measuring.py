"""The service without HTTP, in a process of its own: loads what the settings say and times it on real pairs.

`python -m bentorank.tuning.measuring LISTS` reads a number of pairs a line and answers each with a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from dataclasses import asdict, dataclass
from itertools import chain, cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bentorank.child_process import end_with_parent
from bentorank.engines.loading import load_engine
from bentorank.errors import BentorankError
from bentorank.reading import Terms
from bentorank.reranker import Reranker
from bentorank.scheduling import Scheduler
from bentorank.settings import read_settings
from bentorank.types import LengthPolicy, Pair
from bentorank.wiring import engine_options, scheduler_limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bentorank.settings import Settings

# What a busy service sees: a batch may mix pairs of all these requests.
REQUESTS_IN_FLIGHT = 8
# A small window may be shorter than a query of the built-in texts.
LENGTH = LengthPolicy(cut_query=True)
# getrusage counts KiB on Linux and bytes on macOS.
PEAK_UNIT_MIB = 2**20 if sys.platform == "darwin" else 2**10


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the settings came to."""

    model: str
    engine: str
    device: str
    precision: str
    max_batch_tokens: int
    streams: int
    tokenizer_threads: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """Wall seconds from the first text to the last logit; `peak_mib` is the most memory that the process has had."""

    seconds: float
    logits: list[float]
    peak_mib: float

    @property
    def pairs_per_s(self) -> float:
        """Throughput."""
        return len(self.logits) / self.seconds


def load(settings: Settings) -> tuple[Reranker, Loaded]:
    """Everything between HTTP and the device, as the service starts it. Raises ConfigurationError."""
    engine = load_engine(engine_options(settings, worker_index=1))
    engine.warm_up()
    limits = scheduler_limits(settings, engine.info)
    scheduler = Scheduler(engine, limits)
    scheduler.start()
    reranker = Reranker(
        engine,
        scheduler,
        tokenizer_threads=settings.tokenizer_threads,
        max_request_tokens=settings.max_request_tokens,
    )
    info = engine.info
    return reranker, Loaded(
        info.model,
        info.engine,
        info.device,
        info.precision,
        limits.max_batch_tokens,
        info.streams,
        settings.tokenizer_threads,
    )


def requests(lists: Sequence[Sequence[Pair]], pairs: int) -> Iterator[list[Pair]]:
    """So many pairs, list by list, and from the start again where the lists have fewer."""
    left = pairs
    for candidates in cycle(filter(None, lists)):
        if left <= 0:
            return
        request = list(islice(candidates, left))
        left -= len(request)
        yield request


async def measure(reranker: Reranker, waiting: Iterator[list[Pair]]) -> Measurement:
    """Score the requests, a few at a time, as so many clients would ask for them. Raises BentorankError."""
    answers: dict[int, list[float]] = {}
    numbered = enumerate(waiting)

    async def client() -> None:
        for number, request in numbered:
            answers[number] = (await reranker.score_all(request, Terms(LENGTH))).logits

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(REQUESTS_IN_FLIGHT)))
    seconds = time.perf_counter() - started
    logits = list(chain.from_iterable(answers[number] for number in range(len(answers))))
    return Measurement(seconds, logits, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / PEAK_UNIT_MIB)


def main() -> None:
    """Load, say so, and measure until standard input ends."""
    end_with_parent()
    lists = [[Pair(*pair) for pair in pairs] for pairs in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))]
    try:
        reranker, loaded = load(read_settings())
        _answer({"loaded": asdict(loaded)})
        for line in iter(sys.stdin.readline, ""):
            _answer(asdict(asyncio.run(measure(reranker, requests(lists, int(line))))))
        reranker.close()
    except BentorankError as error:
        _answer({"refused": str(error)})


def _answer(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
