"""The engine without a server: from text to logits, forward passes alone, small requests, and tokenising.

Reads variants, a JSON list, from standard input and writes a line of JSON for each, so that one that fails costs none
of the others.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from benchmarks.harness.request_sets import rounds_of_requests
from benchmarks.harness.texts import read_sample
from bentorank.engines.loading import load_engine
from bentorank.evaluation.scorers import forward_all
from bentorank.settings import read_settings
from bentorank.types import Pair
from bentorank.wiring import engine_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from bentorank.engines.protocol import Engine
    from bentorank.types import EncodedPair

SEED = 17
REQUESTS, DOCUMENTS, FEW_DOCUMENTS = 40, 50, 10


def requests_of(count: int, documents: int) -> list[list[Pair]]:
    """Requests of real text."""
    (requests,) = rounds_of_requests(read_sample(), rounds=1, requests=count, documents=documents, seed=SEED)
    return [[Pair(request.query, text) for text in request.documents] for request in requests]


def repeated(work: Callable[[], Any], seconds: float) -> list[float]:
    """Seconds that each of several calls took, until so many have passed; a first one does not count."""
    work()
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while not taken or time.perf_counter() < end:
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return taken


def speeds(engine: Engine, requests: int, seconds: float, *, shares: bool) -> dict[str, Any]:
    """Pairs per second of a full device, and milliseconds of ten pairs."""

    def encode(pairs: list[Pair]) -> list[EncodedPair]:
        encoded = engine.encode(pairs)
        return encoded if shares else [pair._replace(head_tokens=0) for pair in encoded]

    pairs = [pair for request in requests_of(requests, DOCUMENTS) for pair in request]
    encoded = encode(pairs)
    (few,) = requests_of(1, FEW_DOCUMENTS)
    encoded_few = encode(few)
    budget = engine.info.batch_tokens
    full = repeated(lambda: forward_all(engine, encode(pairs), budget), seconds)
    forward = repeated(lambda: forward_all(engine, encoded, budget), seconds)
    small = repeated(lambda: engine.forward(encode(few)), seconds / 2)
    small_forward = repeated(lambda: engine.forward(encoded_few), seconds / 2)
    return {
        "engine": asdict(engine.info),
        "tokens_a_pair": sum(pair.length for pair in encoded) / len(encoded),
        "shared_tokens_a_pair": sum(pair.head_tokens for pair in encoded) / len(encoded),
        "text_to_logits_pairs_per_s": len(pairs) / median(full),
        "forward_pairs_per_s": len(pairs) / median(forward),
        "ten_pairs_ms": median(small) * 1e3,
        "ten_pairs_forward_ms": median(small_forward) * 1e3,
    }


def tokenising(engine: Engine, seconds: float) -> dict[str, Any]:
    """A request of 50 documents, tokenised alone and beside as many others as there are cores."""
    requests = requests_of(REQUESTS, DOCUMENTS)
    threads = os.cpu_count() or 1
    turn = iter(range(1 << 30))
    alone = repeated(lambda: engine.encode(requests[next(turn) % REQUESTS]), seconds)
    with ThreadPoolExecutor(threads) as pool:
        begun = time.perf_counter()
        beside = [
            taken
            for times in pool.map(
                lambda number: repeated(lambda: engine.encode(requests[number % REQUESTS]), seconds), range(threads)
            )
            for taken in times
        ]
        wall_s = time.perf_counter() - begun
    return {
        "threads": threads,
        "alone_ms": median(alone) * 1e3,
        "beside_others_ms": median(beside) * 1e3,
        "alone_requests_per_s": 1 / median(alone),
        "beside_others_requests_per_s": (len(beside) + threads) / wall_s,
    }


def measure(variant: dict[str, Any], requests: int, seconds: float) -> dict[str, Any]:
    """Load and measure one."""
    os.environ.update(variant["settings"])
    try:
        begun = time.perf_counter()
        engine = load_engine(engine_options(read_settings(), 1))
        engine.warm_up()
        found = {"load_s": time.perf_counter() - begun, **speeds(engine, requests, seconds, shares=variant["shares"])}
        if variant["tokenising"]:
            found["tokenising"] = tokenising(engine, seconds)
    except Exception as error:  # noqa: BLE001 - one that fails is reported, and the next one measured
        return {"failed": f"{type(error).__name__}: {error}"}
    finally:
        for name in variant["settings"]:
            del os.environ[name]
    return found


def main(
    seconds: Annotated[float, typer.Option(help="Of each measurement.")] = 1.0,
    requests: Annotated[int, typer.Option(help="Of 50 documents, for a full device.")] = REQUESTS,
) -> None:
    """Measure what standard input asks for."""
    for variant in orjson.loads(sys.stdin.buffer.read()):
        found = measure(variant, requests, seconds)
        sys.stdout.write(orjson.dumps({"name": variant["name"], **found}).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    typer.run(main)
