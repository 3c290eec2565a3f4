"""A GPU's share of its own arithmetic: against CrossEncoder, and at every batch size against the measured peak.

`--device cpu --tiny --out DIR` shows on any machine that it works; its figures mean nothing.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path  # noqa: TC003  typer reads the annotations when it runs
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from sentence_transformers import CrossEncoder

from benchmarks.gpu.report import as_markdown
from benchmarks.harness.encoder_shapes import TINY, XLM_R_LARGE, encoder_flops, random_cross_encoder
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.planned_batches import longest_first
from benchmarks.harness.request_sets import rounds_of_requests
from benchmarks.harness.results_files import RESULTS, write_results
from benchmarks.harness.texts import read_sample
from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.engines.torch.forward import choose_forward
from bentorank.engines.torch.padding import PaddedForward
from bentorank.engines.torch.transfers import begin_download
from bentorank.evaluation.scorers import forward_all
from bentorank.scheduling.batching import BatchBudget
from bentorank.types import EncodedPair, Pair
from bentorank.wiring import ACCELERATOR_FORWARD_OVERHEAD_TOKENS, resolve_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bentorank.engines import Engine
    from bentorank.engines.torch.forward import Forward

SEED = 13


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured. `matrix` is the width of the square matrices whose product is the peak."""

    requests: int
    documents: int
    rounds: int
    matrix: int
    shape: dict[str, Any]
    budgets: tuple[int, ...]


FULL = Scale(40, 50, 5, 8192, XLM_R_LARGE, (4096, 8192, 16_384, 32_768, 65_536))
SMALL = Scale(1, 6, 1, 256, TINY, (256, 1024))


def load_both(folder: str, device: torch.device) -> tuple[Engine, CrossEncoder]:
    """The same model in the same precision: half on a GPU, single on a CPU."""
    precision, dtype = (Precision.F16, torch.float16) if device.type == "cuda" else (Precision.F32, torch.float32)
    engine = load_engine(EngineOptions(folder, EngineKind.TORCH, device=str(device), precision=precision))
    baseline = CrossEncoder(folder, device=str(device), local_files_only=True, model_kwargs={"dtype": dtype})
    baseline.max_seq_length = engine.info.max_tokens
    return engine, baseline


def compare(engine: Engine, baseline: CrossEncoder, pairs: Sequence[Pair], rounds: int) -> dict[str, Any]:
    """Pairs per second from text to logits, in turn; `largest_difference` is that of any logit."""
    contenders: dict[str, Callable[[], Any]] = {
        "CrossEncoder": lambda: baseline.predict(pairs, activation_fn=torch.nn.Identity(), show_progress_bar=False),
        "bentorank": lambda: forward_all(engine, engine.encode(pairs), engine.info.batch_tokens),
    }
    logits = [contender() for contender in contenders.values()]  # warms up as well
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name in list(contenders)[:: -1 if number % 2 else 1]:
            seconds[name].append(time_of(contenders[name], baseline.device))
    return {
        "engine": asdict(engine.info),
        "pairs": len(pairs),
        "pairs_per_s": {name: [len(pairs) / taken for taken in times] for name, times in seconds.items()},
        "largest_difference": float(np.abs(np.subtract(*logits)).max()),
    }


def matrix_peak(device: torch.device, dtype: torch.dtype, width: int, rounds: int) -> float:
    """FLOP/s of the product of two square matrices at its best: the device's own peak, not its data sheet's."""
    left, right = (torch.randn(width, width, device=device).to(dtype) for _ in range(2))
    times = [time_of(lambda: left @ right, device) for _ in range(rounds + 3)]
    return 2 * width**3 / min(times)


def sweep(scale: Scale, device: torch.device, lengths: Sequence[int]) -> Iterator[dict[str, Any]]:
    """At each token budget, what a model of random weights reaches on random tokens of these `lengths`.

    The padded way first, then the padding-free one if the engine would take it here.
    """
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    model = random_cross_encoder(scale.shape, device, dtype)
    pairs = random_pairs(lengths, scale.shape["vocab_size"])
    padded = PaddedForward(model, model.config.pad_token_id)
    yield from (reached(padded, pairs, tokens, scale) for tokens in scale.budgets)
    chosen = choose_forward(model, padded, model.config.pad_token_id, pairs[:4])
    if chosen.padding_free:
        yield from (reached(chosen, pairs, tokens, scale) for tokens in scale.budgets)


def reached(forward: Forward, pairs: Sequence[EncodedPair], batch_tokens: int, scale: Scale) -> dict[str, Any]:
    """Tokens and floating-point operations per second, padding excluded from both; the median of the rounds.

    The padding-free way skips most of the last layer, which counts here all the same: at most a layer's share.
    """
    budget = BatchBudget(batch_tokens, ACCELERATOR_FORWARD_OVERHEAD_TOKENS, forward.padding_free)
    batches = list(longest_first(pairs, budget))

    def run() -> None:
        # One batch ahead, as the scheduler hands them over.
        arriving: deque[Callable[[], Any]] = deque()
        for batch in batches:
            arriving.append(begin_download(forward(batch).float()))
            if len(arriving) > 1:
                arriving.popleft()()
        arriving.pop()()

    run()
    seconds = median(_seconds(run) for _ in range(scale.rounds))
    lengths = [pair.length for pair in pairs]
    padded = sum(len(batch) * batch[0].length for batch in batches)
    return {
        "padding_free": forward.padding_free,
        "batch_tokens": batch_tokens,
        "batches": len(batches),
        "padding": 0.0 if forward.padding_free else 1 - sum(lengths) / padded,
        "tokens_per_s": sum(lengths) / seconds,
        "flops_per_s": encoder_flops(scale.shape, lengths) / seconds,
    }


def natural_pairs(scale: Scale) -> list[Pair]:
    """Queries with passages of real text."""
    count, documents = scale.requests, scale.documents
    (requests,) = rounds_of_requests(read_sample(), rounds=1, requests=count, documents=documents, seed=SEED)
    return [Pair(request.query, text) for request in requests for text in request.documents]


def random_pairs(lengths: Sequence[int], vocabulary: int) -> list[EncodedPair]:
    """Pairs of random tokens, none of them special."""
    random = np.random.default_rng(SEED)
    return [EncodedPair(random.integers(10, vocabulary, length)) for length in lengths]


def time_of(work: Callable[[], Any], device: torch.device) -> float:
    """Seconds until the device has done `work`."""

    def until_done() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return _seconds(until_done)


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main(
    *,
    device: Annotated[str, typer.Option(help="A device as torch names it.")] = "cuda",
    model: Annotated[str, typer.Option(help="`starter` or the folder of a cross-encoder.")] = "starter",
    tiny: Annotated[bool, typer.Option(help="Hardly anything, to see that it runs; needs --out.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of gpu.json and gpu.md.")] = RESULTS,
) -> None:
    """Compare with CrossEncoder in half precision, then sweep the token budget of a 560 M encoder on real lengths."""
    if tiny and out == RESULTS:
        raise typer.BadParameter("--tiny measures nothing that may be published: give --out as well")
    console, scale, on = Console(), SMALL if tiny else FULL, torch.device(device)
    pairs = natural_pairs(scale)
    with console.status("comparing with CrossEncoder"):
        engine, baseline = load_both(resolve_model(model), on)
        comparison = compare(engine, baseline, pairs, scale.rounds)
    with console.status("measuring the product of two matrices"):
        peak = matrix_peak(on, torch.bfloat16, scale.matrix, scale.rounds)
    steps = []
    with torch.inference_mode(), console.status("sweeping the token budget"):
        for step in sweep(scale, on, [pair.length for pair in engine.encode(pairs)]):
            steps.append(step | {"share_of_peak": step["flops_per_s"] / peak})
            console.print(f"{step['batch_tokens']} tokens: {step['tokens_per_s']:.0f} tokens/s")
    result = {
        "machine": asdict(describe_machine()),
        "setup": asdict(scale) | {"device": device},
        "comparison": comparison,
        "bf16_matmul_flops_per_s": peak,
        "sweep": steps,
    }
    write_results(out, "gpu", result, as_markdown(result))
    console.print(f"written to {out}/gpu.md")


if __name__ == "__main__":
    typer.run(main)
