"""`bentorank bulk`: ranks the lists of files into files, and goes on where it ended."""

from __future__ import annotations

import math
import os
from pathlib import Path  # noqa: TC003  typer reads the annotations when it builds the command
from typing import TYPE_CHECKING, Annotated

import typer

from bentorank.bulk.order import DEFAULT_PART_ROWS, Columns, FileFormat, Order, Reading, RowLimits
from bentorank.cli.terminal import complain, terminal, warn
from bentorank.engines.options import EngineKind, Precision  # noqa: TC001  as above
from bentorank.settings import environment_name, read_settings
from bentorank.types import OnItemError, Overflow, ScoreMode

if TYPE_CHECKING:
    from bentorank.bulk.job import Runner
    from bentorank.settings import Settings

READING = "How rows are read"
RAY = "On Ray"
COLUMN = "Names of columns"
NAMES = Columns()
EXIT_SET_ASIDE = 1
EXIT_SIGNALLED = 128


def bulk(
    *,
    inputs: Annotated[
        list[str],
        typer.Option("--in", metavar="<path>", help="File, folder or pattern of Parquet or JSON lines; repeatable."),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write, or one that a job was begun in.")],
    model: Annotated[str | None, typer.Option(help="`starter`, a folder or a Hugging Face model id.")] = None,
    engine: Annotated[EngineKind | None, typer.Option(metavar="<engine>", help="As for `serve`.")] = None,
    precision: Annotated[Precision | None, typer.Option(metavar="<precision>", help="As for `serve`.")] = None,
    env_file: Annotated[Path | None, typer.Option(help="File of settings, as `bentorank tune` writes it.")] = None,
    output: Annotated[
        FileFormat | None, typer.Option("--format", metavar="<format>", help="parquet or jsonl; that of the input.")
    ] = None,
    part_rows: Annotated[int, typer.Option(min=1, help="Rows of an output file, at most.")] = DEFAULT_PART_ROWS,
    top_n: Annotated[
        int | None, typer.Option(min=1, help="Documents of a row to keep; all.", rich_help_panel=READING)
    ] = None,
    score_mode: Annotated[
        ScoreMode,
        typer.Option(metavar="<mode>", help="probability, logit or model.", rich_help_panel=READING),
    ] = ScoreMode.PROBABILITY,
    score_threshold: Annotated[
        float | None, typer.Option(help="Leave out documents that score less.", rich_help_panel=READING)
    ] = None,
    overflow: Annotated[
        Overflow | None,
        typer.Option(
            metavar="<overflow>",
            help="Of documents that do not fit: truncate, chunk or error.",
            rich_help_panel=READING,
        ),
    ] = None,
    max_tokens_per_doc: Annotated[
        int | None, typer.Option(min=1, help="Cut documents to so many tokens.", rich_help_panel=READING)
    ] = None,
    max_chunks_per_doc: Annotated[
        int | None, typer.Option(min=1, help="Read no more chunks of one.", rich_help_panel=READING)
    ] = None,
    overlap_tokens: Annotated[
        int | None, typer.Option(min=0, help="That neighbouring chunks share.", rich_help_panel=READING)
    ] = None,
    instruction: Annotated[
        str | None, typer.Option(help="What language models look for; a row's own wins.", rich_help_panel=READING)
    ] = None,
    on_item_error: Annotated[
        OnItemError,
        typer.Option(
            metavar="<what>",
            help="A document that cannot be scored: error sets its row aside, skip leaves it last.",
            rich_help_panel=READING,
        ),
    ] = OnItemError.ERROR,
    first_stage: Annotated[
        str | None,
        typer.Option(
            metavar="<what>",
            help="Orders documents cheaply before: `embeddings`, another of BENTORANK_MODELS, or `none`.",
            rich_help_panel=READING,
        ),
    ] = None,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Documents that the model reads then; 50.", rich_help_panel=READING)
    ] = None,
    id_column: Annotated[str, typer.Option(help="Texts or whole numbers.", rich_help_panel=COLUMN)] = NAMES.id,
    query_column: Annotated[str, typer.Option(help="Texts.", rich_help_panel=COLUMN)] = NAMES.query,
    documents_column: Annotated[
        str, typer.Option(help="Lists of texts, or of objects with `content` or `text`.", rich_help_panel=COLUMN)
    ] = NAMES.documents,
    instruction_column: Annotated[
        str, typer.Option(help="Texts; may be missing.", rich_help_panel=COLUMN)
    ] = NAMES.instruction,
    address: Annotated[
        str | None,
        typer.Option(help="A Ray cluster's, or `local` for this machine's devices.", rich_help_panel=RAY),
    ] = None,
    actors: Annotated[
        int | None, typer.Option(min=1, help="Models at a time; one a GPU, or one a node.", rich_help_panel=RAY)
    ] = None,
) -> None:
    """Rank the documents of millions of rows, each exactly once, from files into files.

    A row has an id, a query, documents and perhaps an instruction. What is finished stays when the job is stopped or
    killed, and the same command goes on with the rest. Rows that cannot be ranked are set aside, with the reason, in
    `_bulk/rejected.jsonl`; what all came to stands in `_bulk/summary.json`.

    Status 0: every row is ranked. 1: some are set aside. 2: it cannot begin or go on. 128 and the signal: stopped.
    """
    from bentorank.bulk.first_stage import other_model
    from bentorank.bulk.inputs import find_files
    from bentorank.bulk.job import Job, run_job
    from bentorank.bulk.progress import BulkBar
    from bentorank.bulk.summary import as_table

    if score_threshold is not None and not math.isfinite(score_threshold):
        raise typer.BadParameter("must be a finite number", param_hint="--score-threshold")
    settings = _settings(
        model=model,
        engine=engine,
        precision=precision,
        env_file=env_file,
        overflow=overflow,
        instruction=instruction,
    )
    columns = Columns(id_column, query_column, documents_column, instruction_column)
    reading = Reading(
        top_n,
        score_mode,
        score_threshold,
        max_tokens_per_doc,
        max_chunks_per_doc,
        overlap_tokens,
        on_item_error,
        first_stage,
        keep,
    )
    files = find_files(inputs, out)
    order = _order(settings, overflow, output or files[0].format, columns, reading, part_rows)
    other_model(order.cascade, settings)
    with BulkBar(terminal(stderr=True), complain) as bar:
        ended = run_job(Job(files, out, order, settings, _runner(address, actors)), bar)
    terminal().print(as_table(ended.summary))
    if ended.signal is not None:
        warn("stopped before the end: the same command goes on from there")
        raise typer.Exit(EXIT_SIGNALLED + ended.signal)
    if ended.summary["rejected"]:
        warn(f"{ended.summary['rejected']:,} rows are set aside: {out / '_bulk' / 'rejected.jsonl'}")
        raise typer.Exit(EXIT_SET_ASIDE)


def _settings(**options: object) -> Settings:
    """Those in force, options before the environment."""
    for field, value in options.items():
        if value is not None:
            os.environ[environment_name(field)] = str(value)
    return read_settings()


def _order(
    settings: Settings,
    overflow: Overflow | None,
    output: FileFormat,
    columns: Columns,
    reading: Reading,
    part_rows: int,
) -> Order:
    """By the rules that the service has for requests to the model that ranks: the first, where there is a list."""
    from bentorank.wiring import job_rules

    rules = job_rules(settings)
    if settings.model_entries:
        entry = settings.model_entries[0]
        own = None if entry.overflow is None or overflow is not None else Overflow(entry.overflow)
        rules = rules.of_model(own, settings.first_stage_of(entry), entry.keep)
    limits = RowLimits(settings.max_body_bytes, settings.max_request_tokens)
    return Order(rules, limits, output, None, columns, reading, part_rows)


def _runner(address: str | None, actors: int | None) -> Runner:
    from bentorank.bulk.errors import BulkError
    from bentorank.bulk.here import run_here

    if address is None:
        if actors is not None:
            raise BulkError("--actors needs --address: without it there is one process")
        return run_here
    from bentorank.bulk.extras import ray_data
    from bentorank.bulk.on_ray import RayRunner

    ray_data()
    return RayRunner(address, actors)
