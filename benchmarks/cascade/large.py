"""The starter before a model of 560 M parameters: time alone, as its weights are random. Writes `cascade_large`.

python -m benchmarks.cascade.large COLLECTIONS
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import torch
import typer
from rich.console import Console

from benchmarks.cascade.report import Measured, as_markdown
from benchmarks.device.random_models import SHAPES, TINY_SHAPES, write_model
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.results_files import RESULTS, write_results
from benchmarks.quality.run import load_task
from bentorank.cli.eval import engine_scorer
from bentorank.engines.options import EngineKind, EngineOptions, Precision
from bentorank.evaluation.cascade import measure_cascade
from bentorank.evaluation.staged import EngineStages, ModelSifter

if TYPE_CHECKING:
    from bentorank.evaluation.collection import Task

# "560 M" is the size with all of XLM-R's vocabulary, whose rows take no time.
NAME: Final = "xlmr-560m"
CANDIDATES: Final = 100


def main(  # noqa: PLR0913 - each parameter is one option
    *,
    collections: Annotated[Path, typer.Argument(help="What quality/prepare_collections.py wrote.")],
    collection: Annotated[str, typer.Option(help="Which of them.")] = "squad",
    queries: Annotated[int, typer.Option(min=1, help="Lists that are timed.")] = 4,
    keep: Annotated[list[int], typer.Option(min=1, help="Of the 100 candidates; repeatable.")] = [30],  # noqa: B006  typer copies it
    precision: Annotated[Precision, typer.Option(help="Of the large model, by OpenVINO.")] = Precision.AUTO,
    conversions: Annotated[
        Path | None,
        typer.Option("--conversions", help="Keep the model and its conversion here, and take them from here."),
    ] = None,
    tiny: Annotated[bool, typer.Option(help="Hardly any model, to see that it runs; needs --out.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of cascade_large.json and .md.")] = RESULTS,
) -> None:
    """Each list read whole, and its best by the starter, in turn; writing and converting the model takes minutes."""
    if tiny and out == RESULTS:
        raise typer.BadParameter("--tiny measures nothing that may be published: give --out as well")
    task = first_lists(load_task(collections / collection, CANDIDATES, None), queries)
    shape = next(shape for shape in (TINY_SHAPES if tiny else SHAPES) if shape.name == NAME)
    with tempfile.TemporaryDirectory() as scratch:
        home = conversions or Path(scratch)
        folder = home / shape.name
        if not (folder / "config.json").exists():
            write_model(shape, folder, torch.device("cpu"))
        options = EngineOptions(
            str(folder), EngineKind.OPENVINO, device="cpu", precision=precision, cache_dir=home / "cache"
        )
        large, small = (
            engine_scorer(options),
            engine_scorer(replace(options, model="starter", precision=Precision.AUTO)),
        )
        time, _ = measure_cascade(task, EngineStages(large, ModelSifter(small)), keep)
    measured = Measured(None, time)
    machine = asdict(describe_machine())
    page = as_markdown(machine, {collection: [measured]})
    result = {"machine": machine, "candidates": CANDIDATES, "collections": {collection: asdict(measured)}}
    write_results(out, "cascade_large", result, page)
    Console().print(page, soft_wrap=True, markup=False, highlight=False)


def first_lists(task: Task, lists: int) -> Task:
    """So many lists that have candidates, from the beginning: they are in no order."""
    return task.with_lists([each for each in task.lists if each.passages][:lists])


if __name__ == "__main__":
    typer.run(main)
