"""What a pair costs the interpreter on its way from the body to the tensor and back: CPU time with the GIL held.

A process can serve no more pairs a second than one over this, whatever the device. The model is left out, and so is the
tokenizers library's own time, which is Rust's and holds no GIL; that of the fast tokenizer is too short to tell apart.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from benchmarks.body_to_tensor.steps import RememberedEncodings, Way, body_of, packed, padded
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.request_sets import Request
from benchmarks.harness.results_files import RESULTS, machine_sentence, markdown_table, write_results
from benchmarks.harness.texts import read_sample
from bentorank.engines.encoding import PairEncoder
from bentorank.types import Pair

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = 13
TOKENIZER = Path(__file__).parents[2] / "models" / "starter" / "tokenizer.json"
WINDOW = 512
TOKENIZERS = {"tokenizers": False, "nanotoken": True}
WHOLE = "whole way"
FREEING = "freeing the tokenizer's encodings"
# Of the sample's passages those with about 190 tokens.
PASSAGE_CHARS = range(700, 1100)


def measure(documents: int, rounds: int) -> dict[str, Any]:
    """Both tokenizers in turn."""
    return {
        "documents": documents,
        "tokens_a_pair": _tokens_a_pair(documents),
        "us_a_pair": {name: _measure(documents, rounds, fast=fast) for name, fast in TOKENIZERS.items()},
    }


def _measure(documents: int, rounds: int, *, fast: bool) -> dict[str, dict[str, float]]:
    """Microseconds a pair of each step, the median and the least of `rounds`."""
    encoder = _encoder(fast=fast)
    tokenizer = encoder._tokenizer  # noqa: SLF001 - nothing public keeps the tokenizer's own time out
    if not fast:
        encoder._tokenise._tokenizer = RememberedEncodings(tokenizer)  # type: ignore[attr-defined]  # noqa: SLF001
    way = Way.of(_request(documents), encoder)
    with closing(asyncio.new_event_loop()) as loop:
        runs = {WHOLE: lambda: loop.run_until_complete(way.whole())} | _steps(way, loop)
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                clock = time.process_time if name == WHOLE else time.thread_time
                began = clock()
                kept = run()
                seconds[name].append(clock() - began)
                del kept
        job = loop.run_until_complete(way.job())
    way.scheduler.close()
    if not fast:
        seconds[FREEING] = _freeing(tokenizer, [text.content for text in job.documents])
    return {
        name: {"median": median(values) / documents * 1e6, "least": min(values) / documents * 1e6}
        for name, values in seconds.items()
    }


def _encoder(*, fast: bool) -> PairEncoder:
    return PairEncoder(TOKENIZER.read_text(encoding="utf-8"), max_tokens=WINDOW, token_types=True, fast=fast)


def _tokens_a_pair(documents: int) -> float:
    request = _request(documents)
    pairs = [Pair(request.query, passage) for passage in request.documents]
    return sum(pair.length for pair in _encoder(fast=False).encode(pairs)) / documents


def _request(documents: int) -> Request:
    texts = read_sample()
    passages = [passage for passage in texts.passages if len(passage) in PASSAGE_CHARS]
    return Request(texts.queries[0], tuple(random.Random(SEED).choices(passages, k=documents)))


def _steps(way: Way, loop: asyncio.AbstractEventLoop) -> dict[str, Callable[[], object]]:
    """Each step on what those before it gave."""
    job = loop.run_until_complete(way.job())
    body, encoded = body_of(way), way.encoded(job)
    batches = way.batches(encoded)
    logits = [random.Random(SEED + number).gauss(0, 4) for number in range(len(job.documents))]
    ranking = way.ranking(encoded, job, logits)
    return {
        "body to job": lambda: loop.run_until_complete(way.job()),
        "ids to pairs": lambda: way.encoded(job),
        "queue and batch plan": lambda: way.batches(encoded),
        "packing": lambda: packed(batches),
        "padding": lambda: padded(batches),
        "ranking": lambda: way.ranking(encoded, job, logits),
        "answer": lambda: way.response(body, job, ranking),
    }


def _freeing(tokenizer: Any, texts: list[str], rounds: int = 9) -> list[float]:  # noqa: ANN401 - tokenizers has no types
    """Seconds; what the tokenizer gave is freed with the GIL held, and remembered encodings are not."""
    seconds = []
    for _ in range(rounds):
        encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        began = time.thread_time()
        del encodings
        seconds.append(time.thread_time() - began)
    return seconds


def as_markdown(result: dict[str, Any]) -> str:
    """A row a step."""
    measured = result["us_a_pair"]
    steps = dict.fromkeys(name for steps in measured.values() for name in steps)
    rows = [[step, *(cell for steps in measured.values() for cell in _cells(steps.get(step)))] for step in steps]
    heads = [f"{name}{which}" for name in measured for which in (", µs a pair", ", the least")]
    title = (
        f"CPU time a pair under the GIL: one request of {result['documents']} documents, {result['tokens_a_pair']:.0f}"
        " tokens a pair; the median, and the least, which is what an undisturbed machine takes. The whole way is"
        " measured apart, in front of an engine that packs its batches and computes nothing; padding and freeing are"
        " not in it. The tokenizers library's own time, without the GIL, is left out; that of nanotoken is in."
    )
    return "\n\n".join(
        (
            "# From body to tensor",
            title,
            markdown_table(["step", *heads], rows),
            machine_sentence(result["machine"]),
        )
    )


def _cells(us: dict[str, float] | None) -> list[str]:
    return ["", ""] if us is None else [f"{us['median']:.1f}", f"{us['least']:.1f}"]


def main(
    *,
    documents: Annotated[int, typer.Option(min=1, help="Documents of the request.")] = 100,
    rounds: Annotated[int, typer.Option(min=1, help="How often each step is measured.")] = 200,
    out: Annotated[Path, typer.Option(help="Folder of body_to_tensor.json and body_to_tensor.md.")] = RESULTS,
) -> None:
    """Measure each step alone and all of them together."""
    result = {"machine": asdict(describe_machine())} | measure(documents, rounds)
    write_results(out, "body_to_tensor", result, as_markdown(result))
    Console().print(as_markdown(result))


if __name__ == "__main__":
    typer.run(main)
