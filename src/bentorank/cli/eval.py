"""`bentorank eval`: what reranking does for your own queries and judgements, before and after."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bentorank.cascade.first_stage import DEFAULT_KEEP, EMBEDDINGS
from bentorank.cli.terminal import terminal, warn
from bentorank.engines.options import EngineKind, EngineOptions, Precision
from bentorank.errors import CommandError

if TYPE_CHECKING:
    from bentorank.evaluation.scorers import EngineScorer, Scorer, ServerScorer
    from bentorank.evaluation.staged import Sifter, StagedRanker, WordSifter
    from bentorank.evaluation.task_files import TaskFiles

STARTER = "starter"
FILES, MODEL, CASCADE, OUTPUT = "Files, where there is no folder", "Model", "Cascade", "Output"


def evaluate(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER", help="A collection in BEIR's form: corpus.jsonl, queries.jsonl, qrels/test.tsv."
        ),
    ] = None,
    *,
    split: Annotated[str, typer.Option(help="Whose judgements to use, as in qrels/test.tsv.")] = "test",
    candidates: Annotated[
        str,
        typer.Option(
            help="What is reranked: the lists of a TREC run; `bm25`, its best; `all` documents, up to 1,000; or `auto`:"
            " all of up to --top-k, else bm25."
        ),
    ] = "auto",
    top_k: Annotated[int, typer.Option(min=1, help="Candidates a query.")] = 100,
    limit_queries: Annotated[int | None, typer.Option(min=1, help="Only a sample of the queries.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of that sample.")] = 0,
    corpus: Annotated[
        Path | None,
        typer.Option(help="Passages: BEIR JSON lines, or lines of id, tab, text.", rich_help_panel=FILES),
    ] = None,
    queries: Annotated[Path | None, typer.Option(help="Queries, in the same form.", rich_help_panel=FILES)] = None,
    qrels: Annotated[
        Path | None, typer.Option(help="Judgements: BEIR (3 columns) or TREC (4 columns).", rich_help_panel=FILES)
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="`starter` (the default), a folder, or a Hugging Face model id; with --url the name of a served model,"
            " its default unless given.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    engine: Annotated[
        EngineKind, typer.Option(metavar="<engine>", help=f"{', '.join(EngineKind)}.", rich_help_panel=MODEL)
    ] = EngineKind.AUTO,
    precision: Annotated[
        Precision, typer.Option(metavar="<precision>", help=f"{', '.join(Precision)}.", rich_help_panel=MODEL)
    ] = Precision.AUTO,
    url: Annotated[
        str | None,
        typer.Option(
            help="Score through this running server instead, with the key in BENTORANK_API_KEY if it wants one.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    bi_encoder: Annotated[
        str | None, typer.Option(help="Also rank by this bi-encoder's cosine.", rich_help_panel=MODEL)
    ] = None,
    first_stage: Annotated[
        str | None,
        typer.Option(
            help="Also with a first stage: `embeddings`, the model's own, or a model; with --url one that is served.",
            rich_help_panel=CASCADE,
        ),
    ] = None,
    keep: Annotated[
        list[int] | None,
        typer.Option(
            min=1, help=f"Documents that the model reads after it, {DEFAULT_KEEP}; repeatable.", rich_help_panel=CASCADE
        ),
    ] = None,
    print_json: Annotated[
        bool, typer.Option("--json", help="JSON on standard output.", rich_help_panel=OUTPUT)
    ] = False,
    run_out: Annotated[
        Path | None, typer.Option(help="Write the reranked lists as a TREC run.", rich_help_panel=OUTPUT)
    ] = None,
) -> None:
    """Rerank candidates and report nDCG@10, MRR@10 and recall before and after, with a 95 % interval.

    Files may be gzipped. A corpus whose candidates are named by a run may be of any size; else it is held in memory,
    and one beyond a twentieth of that is refused.
    """
    from bentorank.evaluation.comparison import compare_scorers, compare_stages
    from bentorank.evaluation.formats import run_lines, write_lines
    from bentorank.evaluation.report import as_json, as_tables, cascade_table
    from bentorank.evaluation.scorers import BiEncoderScorer
    from bentorank.evaluation.task_files import read_task

    if keep and first_stage is None:
        raise CommandError("--keep says how many documents a first stage keeps: name one by --first-stage")
    if bi_encoder is not None and first_stage is not None:
        raise CommandError("--bi-encoder and --first-stage are measured one at a time: leave one out")
    files = _task_files(folder, split, (corpus, queries, qrels), candidates)
    task = read_task(files, top_k=top_k, limit_queries=limit_queries, seed=seed)
    for warning in task.warnings:
        warn(warning)
    options, console = EngineOptions(model or STARTER, engine, precision=precision), terminal(stderr=True)
    server = None if url is None else _server(options, url, model)
    cascade = None
    if first_stage is not None:
        ranker = _stages(options, server, first_stage)
        keeps = tuple(dict.fromkeys(keep or [DEFAULT_KEEP]))
        report, cascade, ranking = compare_stages(task, ranker, keeps, top_k, console)
    else:
        scorers: list[Scorer] = [engine_scorer(options) if server is None else server]
        if bi_encoder is not None:
            scorers.append(BiEncoderScorer(bi_encoder))
        report, rankings = compare_scorers(task, task.first_stage_name, scorers, top_k, console)
        ranking = rankings[scorers[0].name]
    if run_out is not None:
        write_lines(run_out, run_lines(ranking, tag="bentorank"))
    if print_json:
        told = as_json(report) | ({} if cascade is None else {"cascade": asdict(cascade)})
        typer.echo(json.dumps(told, indent=2))
    else:
        terminal().print(*([as_tables(report)] if cascade is None else [as_tables(report), cascade_table(cascade)]))


def _task_files(
    folder: Path | None, split: str, named: tuple[Path | None, Path | None, Path | None], candidates: str
) -> TaskFiles:
    from bentorank.evaluation.beir import beir_files
    from bentorank.evaluation.task_files import FirstStage, TaskFiles

    chosen = FirstStage(candidates) if candidates in set(FirstStage) else Path(candidates)
    if folder is not None:
        if any(named):
            raise CommandError("a folder brings its own files: leave out --corpus, --queries and --qrels")
        return TaskFiles(*beir_files(folder, split), chosen)
    corpus, queries, qrels = named
    if corpus is None or queries is None or qrels is None:
        raise CommandError("name a folder in BEIR's form, or all three of --corpus, --queries and --qrels")
    return TaskFiles(corpus, queries, qrels, chosen)


def _stages(options: EngineOptions, server: ServerScorer | None, first_stage: str) -> StagedRanker:
    """The model with its first stage. Raises CommandError where there is none such."""
    from bentorank.evaluation.staged import EngineStages, ServerStages

    if server is not None:
        return ServerStages(server, first_stage)
    reranker = engine_scorer(options)
    return EngineStages(reranker, _sifter(reranker, options, first_stage))


def _sifter(reranker: EngineScorer, options: EngineOptions, first_stage: str) -> Sifter:
    from bentorank.evaluation.staged import ModelSifter

    if first_stage != EMBEDDINGS:
        return ModelSifter(engine_scorer(replace(options, model=first_stage)))
    return word_sifter(reranker, options)


def word_sifter(reranker: EngineScorer, options: EngineOptions) -> WordSifter:
    """By the word embeddings of the model that `options` name. Raises CommandError where it has none."""
    from bentorank.evaluation.staged import WordSifter
    from bentorank.wiring import word_table

    words = word_table(_resolved(options))
    if words is None:
        raise CommandError("--first-stage embeddings: no word embeddings are to be found in this model")
    return WordSifter(reranker.engine, words)


def _server(options: EngineOptions, url: str, model: str | None) -> ServerScorer:
    from bentorank.evaluation.scorers import ServerScorer

    if options != EngineOptions(options.model):
        raise CommandError("--url scores as the server does: leave out --engine and --precision")
    return ServerScorer(url, model)


def engine_scorer(options: EngineOptions) -> EngineScorer:
    """The engine that `options` ask for, with `starter` standing for the shipped model."""
    # An engine brings torch or OpenVINO with it, which `--url` does not need.
    from bentorank.engines.loading import load_engine
    from bentorank.evaluation.scorers import EngineScorer

    return EngineScorer(load_engine(_resolved(options)))


def _resolved(options: EngineOptions) -> EngineOptions:
    """With the folder that the model's name stands for."""
    from bentorank.wiring import resolve_model

    return options if options.engine is EngineKind.FAKE else replace(options, model=resolve_model(options.model))
