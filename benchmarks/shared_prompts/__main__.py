"""What a language model gains by computing once what the prompts of a query begin with: CPU time a document.

Three ways through one module, on the same requests in turn: padded batches; one row without padding, where every prompt
is computed whole; and that row with the beginning once a request, which is what is served.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path  # noqa: TC003  typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated, Any, Final

import torch
import typer
from rich.console import Console
from rich.progress import track

from benchmarks.harness.language_model_shapes import QWEN3_06B, SMALL, TINY
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.planned_batches import longest_first
from benchmarks.harness.request_sets import distinct_requests
from benchmarks.harness.results_files import RESULTS, write_results
from benchmarks.harness.texts import read_sample
from benchmarks.shared_prompts.models import PAD_TOKEN_ID, random_language_model
from benchmarks.shared_prompts.report import as_markdown
from bentorank.defaults import batch_tokens
from bentorank.engines.torch.causal import CausalForward, SharingForward
from bentorank.scheduling.batching import BatchBudget
from bentorank.types import Pair
from bentorank.wiring import CPU_FORWARD_OVERHEAD_TOKENS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.harness.request_sets import Request
    from benchmarks.shared_prompts.models import LanguageModel
    from bentorank.engines.torch.forward import Forward
    from bentorank.types import EncodedPair

SEED: Final = 13
SHAPES: Final = {"qwen3-0.6b": QWEN3_06B, "small": SMALL, "tiny": TINY}
DTYPES: Final = {"f32": torch.float32, "bf16": torch.bfloat16}
# Characters that are left of a passage: those of a search engine's snippet, and all.
LENGTHS: Final = {"snippets": 200, "passages": None}
PADDED, WHOLE, SHARED = "padded", "one row", "beginning once"


@dataclass(frozen=True, slots=True)
class Way:
    """A fresh way through the module, which remembers no request, and the pairs as it gets them."""

    forward: Callable[[], Forward]
    shares: bool = False


def ways_through(model: LanguageModel) -> dict[str, Way]:
    """Each sets the module's attention to what it takes."""
    module = model.module

    def padded() -> Forward:
        module.set_attn_implementation("sdpa")
        return CausalForward(module, PAD_TOKEN_ID)

    def in_a_row() -> Forward:
        return SharingForward(module)

    return {PADDED: Way(padded), WHOLE: Way(in_a_row), SHARED: Way(in_a_row, shares=True)}


@dataclass(frozen=True, slots=True)
class Taken:
    """CPU seconds of a request on one thread, and its logits in its own order."""

    seconds: float
    logits: torch.Tensor


def score(way: Way, pairs: Sequence[EncodedPair]) -> Taken:
    """Of one request, in the batches that the scheduler would plan."""
    forward = way.forward()
    numbered = [pair if way.shares else pair._replace(head_tokens=0) for pair in pairs]
    budget = BatchBudget(batch_tokens("cpu"), CPU_FORWARD_OVERHEAD_TOKENS, forward.padding_free)
    batches = list(longest_first(numbered, budget))
    began = time.process_time()
    logits = torch.cat([forward(batch).float() for batch in batches])
    seconds = time.process_time() - began
    places = {id(pair): place for place, pair in enumerate(numbered)}
    order = [places[id(pair)] for batch in batches for pair in batch]
    return Taken(seconds, logits[torch.tensor(order).argsort()])


def measure(model: LanguageModel, requests: Sequence[Request], chars: int | None) -> dict[str, Any]:
    """Each request by all ways, every other one in the opposite order."""
    ways = ways_through(model)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    difference = 0.0
    counted: list[EncodedPair] = []
    for number, request in enumerate(track(requests, "measuring", transient=True)):
        pairs = model.encoder.encode([Pair(request.query, text[:chars]) for text in request.documents])
        counted += pairs
        taken = {name: score(ways[name], pairs) for name in list(ways)[:: -1 if number % 2 else 1]}
        for name, one in taken.items():
            seconds[name].append(one.seconds)
            difference = max(difference, float((one.logits - taken[PADDED].logits).abs().max()))
    return {
        "documents": len(requests[0].documents),
        "tokens_a_pair": sum(pair.length for pair in counted) / len(counted),
        "tokens_that_are_shared": sum(pair.head_tokens for pair in counted) / len(counted),
        "seconds_a_request": seconds,
        "largest_difference": difference,
    }


def main(
    *,
    model: Annotated[list[str], typer.Option(help="A shape and a precision; may be repeated.")] = ["small:f32"],  # noqa: B006  typer copies it
    documents: Annotated[int, typer.Option(min=1, help="Documents of a request.")] = 20,
    requests: Annotated[int, typer.Option(min=1, help="How many are measured.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder of shared_prompts.json and shared_prompts.md.")] = RESULTS,
) -> None:
    """Score the same requests in all ways, on one thread, by models of random weights.

    Shapes are qwen3-0.6b, small and tiny, precisions f32 and bf16.
    """
    torch.set_num_threads(1)
    measured = []
    for name in model:
        shape, _, precision = name.partition(":")
        found = distinct_requests(read_sample(), documents, SEED)
        loaded = random_language_model(SHAPES[shape], DTYPES[precision])
        with torch.inference_mode():
            for lengths, chars in LENGTHS.items():
                some = [next(found) for _ in range(requests)]
                setting = {"model": name, "layer_parameters": loaded.layer_parameters, "texts": lengths}
                measured.append(setting | measure(loaded, some, chars))
        del loaded
    result = {"machine": asdict(describe_machine()), "measured": measured}
    write_results(out, "shared_prompts", result, as_markdown(result))
    Console().print(as_markdown(result))


if __name__ == "__main__":
    typer.run(main)
