"""A language model of 0.6 B parameters on a CPU: tokens per second by engine and precision, and what sharing gains.

`--tiny --out DIR` shows on any machine that it works; its figures mean nothing.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from benchmarks.harness.language_model_shapes import QWEN3_06B, TINY
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.request_sets import rounds_of_requests
from benchmarks.harness.results_files import RESULTS, write_results
from benchmarks.harness.texts import read_sample
from benchmarks.language_models.random_model import PROMPT_FORMAT, write_random_model
from benchmarks.language_models.report import as_markdown
from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.engines.hardware import cpu_has_native_bf16
from bentorank.engines.options import ModelHints
from bentorank.evaluation.scorers import forward_all
from bentorank.types import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.harness.request_sets import Request
    from bentorank.engines import Engine
    from bentorank.types import EncodedPair

SEED: Final = 19
# Characters that are left of a passage: all, and those of a search engine's snippet.
LENGTHS: Final = {"passages": None, "snippets": 200}


@dataclass(frozen=True, slots=True)
class Contender:
    """An engine in a precision; one that does not share computes what prompts have in common for each of them."""

    name: str
    engine: Engine
    shares: bool

    def run(self, requests: Sequence[Request]) -> dict[str, Any]:
        """One request after the other, from text to logits."""
        began, began_cpu, tokens = time.perf_counter(), time.process_time(), 0
        scores = []
        for request in requests:
            encoded = self.engine.encode([Pair(request.query, text) for text in request.documents])
            tokens += sum(pair.length for pair in encoded)
            given = encoded if self.shares else list(_sharing_nothing(encoded))
            scores.append(forward_all(self.engine, given, self.engine.info.batch_tokens))
        return {
            "tokens": tokens,
            "pairs": sum(len(request.documents) for request in requests),
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - began_cpu,
            "scores": np.concatenate(scores).tolist(),
        }


def _sharing_nothing(encoded: Sequence[EncodedPair]) -> Iterator[EncodedPair]:
    """The same lengths with unlike first tokens, which cost the same; their scores mean nothing."""
    for place, pair in enumerate(encoded):
        ids = pair.input_ids.copy()
        ids[0] = 100 + place
        yield pair._replace(input_ids=ids)


def contenders(folder: Path, cache_dir: Path) -> Iterator[Contender]:
    """OpenVINO in each precision, sharing and not, and torch in those that it has on a CPU."""
    bf16 = [Precision.BF16] if cpu_has_native_bf16() else []
    for kind, precisions in (
        (EngineKind.OPENVINO, [Precision.F32, *bf16, Precision.INT8]),
        (EngineKind.TORCH, [Precision.F32, *bf16]),
    ):
        for precision in precisions:
            hints = ModelHints(prompt_format=PROMPT_FORMAT)
            options = EngineOptions(
                str(folder), kind, device="cpu", precision=precision, cache_dir=cache_dir, hints=hints
            )
            engine = load_engine(options)
            engine.warm_up()
            yield Contender(f"{kind} {precision}", engine, shares=True)
            if kind is EngineKind.OPENVINO:
                yield Contender(f"{kind} {precision}, nothing shared", engine, shares=False)


def measure(
    loaded: Sequence[Contender], rounds: Sequence[Sequence[Request]], chars: int | None
) -> list[dict[str, Any]]:
    """Every contender on the same requests, so many characters of each document, every other round backwards."""
    measured = []
    for number, requests in enumerate(track(rounds, "measuring", transient=True)):
        cut = [replace(each, documents=tuple(text[:chars] for text in each.documents)) for each in requests]
        turn = loaded[:: -1 if number % 2 else 1]
        measured.append({contender.name: contender.run(cut) for contender in turn})
    return measured


def main(  # noqa: PLR0913 - options of a command
    *,
    rounds: Annotated[int, typer.Option(min=1)] = 2,
    requests: Annotated[int, typer.Option(min=1, help="In each round.")] = 1,
    documents: Annotated[int, typer.Option(min=2, help="In each request.")] = 12,
    keep: Annotated[Path | None, typer.Option(help="Keep model and conversions here, and take them from here.")] = None,
    tiny: Annotated[bool, typer.Option(help="Hardly any model, to see that it runs; needs --out.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of language_models.json and .md.")] = RESULTS,
) -> None:
    """Write the model, load it in every way that this CPU computes, and measure these in turn."""
    if tiny and out == RESULTS:
        raise typer.BadParameter("--tiny measures nothing that may be published: give --out as well")
    console, texts, shape = Console(), read_sample(), TINY if tiny else QWEN3_06B
    with tempfile.TemporaryDirectory() as scratch:
        home = keep or Path(scratch)
        folder = home / "model"
        with console.status("writing and converting the model"):
            if not (folder / "config.json").exists():
                write_random_model(folder, shape, texts)
            loaded = list(contenders(folder, home / "cache"))
        source = rounds_of_requests(texts, rounds=rounds, requests=requests, documents=documents, seed=SEED)
        measured = {lengths: measure(loaded, source, chars) for lengths, chars in LENGTHS.items()}
    result = {
        "setup": {"shape": shape, "requests": requests, "documents": documents, "rounds": rounds},
        "machine": asdict(describe_machine()),
        "engines": {contender.name: asdict(contender.engine.info) for contender in loaded},
        "measured": measured,
    }
    markdown = as_markdown(result)
    write_results(out, "language_models", result, markdown)
    console.print(markdown, soft_wrap=True, markup=False, highlight=False)


if __name__ == "__main__":
    typer.run(main)
