"""What this CPU could compute, what the engine makes of it, and where the engine's time goes.

The engine is the service's own, by the same `BENTORANK_…` settings; single products of matrices, compiled with its
properties, tell the peak. For models like BERT, RoBERTa and XLM-R.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.progress import track

from benchmarks.harness.bare_engine import Window
from benchmarks.harness.encoder_shapes import encoder_flops, product_flops
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.request_sets import rounds_of_requests
from benchmarks.harness.results_files import RESULTS, write_results
from benchmarks.harness.texts import read_sample
from benchmarks.roofline.matrix_peaks import GROUP_SIZE, Arithmetic, Product, peak_flops
from benchmarks.roofline.openvino_profile import Kind, by_kind, counting
from benchmarks.roofline.plot import draw
from benchmarks.roofline.report import as_markdown
from bentorank.engines import load_engine
from bentorank.settings import read_settings
from bentorank.types import Pair
from bentorank.wiring import engine_options, resolve_model, scheduler_limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.roofline.openvino_profile import Counted
    from bentorank.engines import Engine
    from bentorank.scheduling import SchedulerLimits
    from bentorank.types import EncodedPair

SEED = 13
# Of the engine, taken over for the products.
PROPERTIES = ("INFERENCE_PRECISION_HINT", GROUP_SIZE)
THREADS, STREAMS = "INFERENCE_NUM_THREADS", "NUM_STREAMS"
# Of tokens in a batch; the last product is as large as they come.
ROWS, LARGE = 1024, Product(2048, 2048, 2048)


@dataclass(frozen=True, slots=True)
class Work:
    """Batches as the scheduler would plan them, of natural text, and what they come to without padding."""

    batches: list[list[EncodedPair]]
    flops: float
    product_flops: float
    lengths: list[int] = field(repr=False)

    @property
    def tokens(self) -> int:
        """Of all pairs, padding excluded."""
        return sum(self.lengths)


def plan_work(engine: Engine, limits: SchedulerLimits, shape: dict[str, Any], requests: int, documents: int) -> Work:
    """Requests in one window, as if they came at once."""
    (found,) = rounds_of_requests(read_sample(), rounds=1, requests=requests, documents=documents, seed=SEED)
    pairs = [Pair(request.query, text) for request in found for text in request.documents]
    batches = list(iter(Window(engine.encode(pairs), limits, engine.info).take, []))
    lengths = [pair.length for batch in batches for pair in batch]
    # The conversion cuts the last layer of these models to what the head reads.
    flops, products = (count(shape, lengths, first_token_only=True) for count in (encoder_flops, product_flops))
    return Work(batches, flops, products, lengths)


def seconds_of(engine: Engine, batches: Sequence[Sequence[EncodedPair]]) -> float:
    """Time of the forward passes, as many at once as the engine has streams."""
    with ThreadPoolExecutor(engine.info.streams) as pool:
        started = time.perf_counter()
        deque(pool.map(engine.forward, batches), maxlen=0)
        return time.perf_counter() - started


def reach(engine: Engine, work: Work, rounds: int) -> dict[str, float]:
    """Tokens and floating-point operations per second, the median of the rounds after one that warms up."""
    seconds_of(engine, work.batches)
    seconds = median(seconds_of(engine, work.batches) for _ in range(rounds))
    padded = sum(engine.info.computed_tokens([pair.length for pair in batch]) for batch in work.batches)
    return {
        "pairs": len(work.lengths),
        "tokens": work.tokens,
        "padding": 1 - work.tokens / padded,
        "flops_per_token": work.flops / work.tokens,
        "tokens_per_s": work.tokens / seconds,
        "pairs_per_s": len(work.lengths) / seconds,
        "flops_per_s": work.flops / seconds,
    }


def times(engine: Engine, counted: Counted, work: Work, rounds: int) -> dict[str, Any]:
    """Where the time of an engine goes that counts it: slower by that, so that it is another than the one measured."""
    # Streams work side by side: so many seconds of theirs pass in one.
    streams = engine.info.streams
    passes_s = streams * sum(seconds_of(engine, work.batches) for _ in range(rounds))
    operations_s = counted.seconds(rounds * len(work.batches))
    products_s = sum(taken_s for operation, taken_s in operations_s.items() if operation.kind is Kind.MATRIX_PRODUCTS)
    return {
        "shares": by_kind(operations_s),
        "counted_of_passes": sum(operations_s.values()) / passes_s,
        "product_flops_per_s": rounds * work.product_flops / (products_s / streams),
        "operations": [
            asdict(operation) | {"kind": operation.kind.value, "seconds": taken_s}
            for operation, taken_s in sorted(operations_s.items(), key=lambda item: -item[1])
            if taken_s > 0
        ],
    }


def peaks(shape: dict[str, Any], properties: dict[str, Any], threads: int) -> list[dict[str, Any]]:
    """Each product in each arithmetic, with one thread and with as many as the engine has."""
    width, feed_forward = shape["hidden_size"], shape["intermediate_size"]
    products = (Product(ROWS, width, width), Product(ROWS, width, feed_forward), LARGE)
    turns = [(product, arithmetic) for product in products for arithmetic in Arithmetic]
    measured = []
    for product, arithmetic in track(turns, "matrix products", transient=True):
        flops, kernels = zip(
            *(peak_flops(product, arithmetic, properties | {STREAMS: 1, THREADS: count}) for count in (1, threads)),
            strict=True,
        )
        measured.append(
            {"product": asdict(product), "arithmetic": arithmetic.value, "kernel": kernels[-1]}
            | {"flops_per_s": dict(zip(("one_thread", "all_threads"), flops, strict=True))}
        )
    return measured


def plain(value: Any) -> str:  # noqa: ANN401 - openvino is untyped
    """A property of OpenVINO, to read: its own type names print as objects."""
    return str(getattr(value, "to_string", lambda: value)())


def main(
    *,
    requests: Annotated[int, typer.Option(min=1, help="Requests in sight of the engine.")] = 8,
    documents: Annotated[int, typer.Option(min=1, help="Documents of a request.")] = 50,
    rounds: Annotated[int, typer.Option(min=1, help="Over these requests.")] = 3,
    out: Annotated[Path, typer.Option(help="Folder of roofline.json, .md and .svg.")] = RESULTS,
) -> None:
    """Peak of single products, what the engine reaches of it, and its time by kind of operation."""
    settings = read_settings()
    options = engine_options(settings, 1)
    shape = orjson.loads((Path(resolve_model(settings.model)) / "config.json").read_bytes())
    engine = load_engine(options)
    work = plan_work(engine, scheduler_limits(settings, engine.info), shape, requests, documents)
    reached = reach(engine, work, rounds)
    with counting() as counted:
        counted_engine = load_engine(options)
    # A stream is a model of its own, with its share of the threads.
    properties = {name: counted.models[0].get_property(name) for name in PROPERTIES}
    threads = sum(compiled.get_property(THREADS) for compiled in counted.models)
    result = {
        "machine": asdict(describe_machine()),
        "engine": asdict(engine.info),
        "threads": threads,
        "properties": {name: plain(value) for name, value in properties.items()},
        "reached": reached,
        "time": times(counted_engine, counted, work, rounds),
        "peaks": peaks(shape, properties, threads),
    }
    markdown = as_markdown(result)
    write_results(out, "roofline", result, markdown)
    draw(result, out / "roofline.svg")
    typer.echo(markdown)


if __name__ == "__main__":
    typer.run(main)
