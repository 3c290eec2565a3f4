"""`bentorank eval`: what reranking does for your own queries and judgements, before and after."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path  # noqa: TC003  typer reads the annotations when it builds the command
from typing import TYPE_CHECKING, Annotated

import typer

from bentorank.cli.terminal import terminal, warn
from bentorank.engines.options import EngineKind, EngineOptions, Precision
from bentorank.errors import CommandError
from bentorank.evaluation.comparison import compare_scorers
from bentorank.evaluation.formats import run_lines, write_lines
from bentorank.evaluation.report import as_json, as_tables
from bentorank.evaluation.scorers import BiEncoderScorer, EngineScorer, ServerScorer
from bentorank.evaluation.task_files import TaskFiles, read_task

if TYPE_CHECKING:
    from bentorank.evaluation.scorers import Scorer

STARTER = "starter"


def evaluate(
    *,
    corpus: Annotated[Path, typer.Option(help="Passages: BEIR JSON lines, or lines of id, tab, text. May be gzipped.")],
    queries: Annotated[Path, typer.Option(help="Queries: BEIR JSON lines, or lines of id, tab, text.")],
    qrels: Annotated[Path, typer.Option(help="Judgements: BEIR (3 columns) or TREC (4 columns).")],
    candidates: Annotated[Path | None, typer.Option(help="TREC run to rerank, instead of BM25's.")] = None,
    top_k: Annotated[int, typer.Option(min=1, help="Candidates a query.")] = 100,
    model: Annotated[str, typer.Option(help="`starter`, a folder, or a Hugging Face model id.")] = STARTER,
    engine: Annotated[EngineKind, typer.Option(metavar="<engine>", help=f"{', '.join(EngineKind)}.")] = EngineKind.AUTO,
    precision: Annotated[
        Precision, typer.Option(metavar="<precision>", help=f"{', '.join(Precision)}.")
    ] = Precision.AUTO,
    url: Annotated[str | None, typer.Option(help="Score through this running server instead.")] = None,
    bi_encoder: Annotated[str | None, typer.Option(help="Also rank by this bi-encoder's cosine.")] = None,
    limit_queries: Annotated[int | None, typer.Option(min=1, help="Only a sample of the queries.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of that sample.")] = 0,
    print_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
    run_out: Annotated[Path | None, typer.Option(help="Write the reranked lists as a TREC run.")] = None,
) -> None:
    """Rerank candidates and report nDCG@10, MRR@10 and recall before and after, with a 95 % interval."""
    files = TaskFiles(corpus, queries, qrels, candidates)
    task = read_task(files, top_k=top_k, limit_queries=limit_queries, seed=seed)
    for warning in task.warnings:
        warn(warning)
    scorers: list[Scorer] = [_reranker(EngineOptions(model, engine, precision=precision), url)]
    if bi_encoder is not None:
        scorers.append(BiEncoderScorer(bi_encoder))
    report, rankings = compare_scorers(task, files.first_stage, scorers, top_k, terminal(stderr=True))
    if run_out is not None:
        write_lines(run_out, run_lines(rankings[scorers[0].name], tag="bentorank"))
    if print_json:
        typer.echo(json.dumps(as_json(report), indent=2))
    else:
        terminal().print(as_tables(report))


def _reranker(options: EngineOptions, url: str | None) -> Scorer:
    if url is None:
        return engine_scorer(options)
    if options != EngineOptions(STARTER):
        raise CommandError("--url scores with the server's model: leave out --model, --engine and --precision")
    return ServerScorer(url)


def engine_scorer(options: EngineOptions) -> EngineScorer:
    """The engine that `options` ask for, with `starter` standing for the shipped model."""
    # An engine brings torch or OpenVINO with it, which `--url` does not need.
    from bentorank.engines.loading import load_engine
    from bentorank.wiring import resolve_model

    if options.engine is not EngineKind.FAKE:
        options = replace(options, model=resolve_model(options.model))
    return EngineScorer(load_engine(options))
