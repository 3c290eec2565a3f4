"""The options of `export` and `tune` that say what to measure on: the built-in texts or the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bentorank.cli.terminal import warn
from bentorank.errors import CommandError

if TYPE_CHECKING:
    from bentorank.evaluation.collection import Task

OWN_TEXTS = "Measured on"

Corpus = Annotated[
    Path | None,
    typer.Option(help="Passages, as for `eval`; else built-in texts.", rich_help_panel=OWN_TEXTS),
]
Queries = Annotated[Path | None, typer.Option(help="Queries, in the same form.", rich_help_panel=OWN_TEXTS)]
Qrels = Annotated[Path | None, typer.Option(help="Judgements: BEIR or TREC.", rich_help_panel=OWN_TEXTS)]
Candidates = Annotated[
    Path | None, typer.Option(help="TREC run to rerank, instead of BM25's.", rich_help_panel=OWN_TEXTS)
]
TopK = Annotated[int, typer.Option(min=2, help="Candidates a query.", rich_help_panel=OWN_TEXTS)]
LimitQueries = Annotated[
    int | None, typer.Option(min=1, help="Only so many of the queries.", rich_help_panel=OWN_TEXTS)
]
MinCorrelation = Annotated[
    float,
    typer.Option(min=-1, max=1, help="Least correlation with the logits of f32.", rich_help_panel=OWN_TEXTS),
]
MaxNdcgLoss = Annotated[
    float,
    typer.Option(min=0, max=1, help="Largest loss of nDCG@10, if there are judgements.", rich_help_panel=OWN_TEXTS),
]


def chosen_task(
    corpus: Path | None,
    queries: Path | None,
    qrels: Path | None,
    candidates: Path | None,
    *,
    top_k: int,
    limit_queries: int | None,
) -> Task:
    """The user's own collection, or the built-in lists where no file is given. Raises CommandError."""
    from bentorank.evaluation.built_in import built_in_task
    from bentorank.evaluation.task_files import FirstStage, TaskFiles, read_task

    if corpus and queries and qrels:
        files = TaskFiles(corpus, queries, qrels, candidates or FirstStage.BM25)
        task = read_task(files, top_k=top_k, limit_queries=limit_queries)
        for warning in task.warnings:
            warn(warning)
        return task
    if corpus or queries or qrels or candidates:
        raise CommandError("texts of your own take all three of --corpus, --queries and --qrels")
    return built_in_task(limit_queries)
