"""Measures the first stage and every scorer on the same candidates, with a progress bar."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bentorank.evaluation.cascade import CascadeReport, measure_cascade
from bentorank.evaluation.measures import measure_names, measure_rankings
from bentorank.evaluation.report import Report, first_stage_row, reranked_row
from bentorank.evaluation.reranking import RerankedList, rerank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from bentorank.evaluation.collection import Task
    from bentorank.evaluation.formats import Rankings
    from bentorank.evaluation.scorers import Scorer
    from bentorank.evaluation.staged import StagedRanker


def compare_scorers(
    task: Task, first_stage: str, scorers: Sequence[Scorer], top_k: int, console: Console
) -> tuple[Report, dict[str, Rankings]]:
    """The report, and the reranked lists by scorer name. `first_stage` names the row before."""
    names = measure_names(top_k)
    before = measure_rankings(task.qrels, task.first_stage, names)
    rows = [first_stage_row(first_stage, before)]
    rankings: dict[str, Rankings] = {}
    for scorer in scorers:
        started = time.perf_counter()
        reranked = _rerank_with_bar(task, scorer, console)
        seconds = time.perf_counter() - started
        rankings[scorer.name] = {result.query_id: result.documents for result in reranked}
        after = measure_rankings(task.qrels, rankings[scorer.name], names)
        truncated = sum(result.truncated for result in reranked)
        rows.append(reranked_row(scorer.name, before, after, seconds=seconds, truncated=truncated))
    return Report(len(task.lists), task.pairs, task.missing, tuple(rows)), rankings


def compare_stages(
    task: Task, ranker: StagedRanker, keeps: Sequence[int], top_k: int, console: Console
) -> tuple[Report, CascadeReport, Rankings]:
    """As compare_scorers for reading everything, and what a first stage costs and gains; the whole ranking."""
    with _bar(console) as progress:
        bar = progress.add_task(f"{ranker.first_stage}, {ranker.name}: pairs", total=task.pairs)
        cascade, rankings = measure_cascade(task, ranker, keeps, lambda pairs: progress.advance(bar, pairs))
    names = measure_names(top_k)
    before, after = (measure_rankings(task.qrels, each, names) for each in (task.first_stage, rankings[None]))
    rows = (
        first_stage_row(task.first_stage_name, before),
        reranked_row(ranker.name, before, after, seconds=cascade.rows[0].seconds, truncated=0),
    )
    return Report(len(task.lists), task.pairs, task.missing, rows), cascade, rankings[None]


def _rerank_with_bar(task: Task, scorer: Scorer, console: Console) -> list[RerankedList]:
    results = []
    with _bar(console) as progress:
        bar = progress.add_task(f"{scorer.name}: pairs", total=task.pairs)
        for result in rerank(task.lists, scorer):
            results.append(result)
            progress.advance(bar, len(result.documents))
    return results


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)
