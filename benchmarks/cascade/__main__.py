"""Measures first stages and writes `cascade.json` and `cascade.md`.

python -m benchmarks.cascade COLLECTIONS
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.cascade.large import first_lists
from benchmarks.cascade.remembered import RememberingScorer, RememberingSifter
from benchmarks.cascade.report import Measured, as_markdown
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.results_files import RESULTS, write_results
from benchmarks.quality.run import load_task
from bentorank.cli.eval import engine_scorer, word_sifter
from bentorank.engines.options import EngineKind, EngineOptions
from bentorank.evaluation.cascade import measure_cascade
from bentorank.evaluation.staged import EngineStages

LOGITS = Path("cascade-logits")
COLLECTIONS = ["scifact", "noveleval"]
CANDIDATES = 100
KEEPS = (10, 20, 30, 50)
# Of lists that are as short as NovelEval's.
SHORT_KEEPS = (5, 10, 15)


def main(
    *,
    collections: Annotated[Path, typer.Argument(help="What quality/prepare_collections.py wrote.")],
    collection: Annotated[list[str] | None, typer.Option(help="Which of them; repeatable.")] = None,
    timed_queries: Annotated[int, typer.Option(min=0, help="Lists of each that are timed.")] = 20,
    logits: Annotated[Path, typer.Option(help="Where logits are kept, so that a run goes on.")] = LOGITS,
    out: Path = RESULTS,
) -> None:
    """Word embeddings before the starter, on judged collections."""
    logits.mkdir(parents=True, exist_ok=True)
    measured: dict[str, list[Measured]] = {}
    options = EngineOptions("starter", EngineKind.AUTO)
    scorer = engine_scorer(options)
    words = word_sifter(scorer, options)
    names = collection or COLLECTIONS
    for name in names:
        task = load_task(collections / name, CANDIDATES, None)
        keeps = KEEPS if max(len(each.passages) for each in task.lists) > 2 * SHORT_KEEPS[-1] else SHORT_KEEPS
        quality, _ = measure_cascade(
            task, EngineStages(RememberingScorer(scorer, logits), RememberingSifter(words)), keeps
        )
        measured[name] = [Measured(quality, None)]
        write(out, measured)
        if timed_queries:
            timed = first_lists(task, timed_queries)
            time, _ = measure_cascade(timed, EngineStages(scorer, words), keeps)
            measured[name] = [Measured(quality, time)]
        write(out, measured)


def write(out: Path, measured: dict[str, list[Measured]]) -> None:
    """After each step, since the next may take an hour."""
    machine = asdict(describe_machine())
    as_data = {name: [asdict(run) for run in runs] for name, runs in measured.items()}
    page = as_markdown(machine, measured)
    write_results(out, "cascade", {"machine": machine, "candidates": CANDIDATES, "collections": as_data}, page)
    Console().print(page, soft_wrap=True, markup=False, highlight=False)


if __name__ == "__main__":
    typer.run(main)
