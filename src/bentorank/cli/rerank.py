"""`bentorank rerank`: the lines of files, or whole files, in order of relevance, in this process."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from bentorank.cli.model_options import ComputedIn, Engine, Model  # noqa: TC001  typer reads the annotations
from bentorank.cli.terminal import complain, terminal, warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from bentorank.engines.options import EngineKind, Precision
    from bentorank.engines.protocol import Engine as LoadedEngine
    from bentorank.searching.passages import Passage
    from bentorank.searching.printing import Layout
    from bentorank.searching.scoring import Hit

FOUND_NOTHING = 1
TROUBLE = 2

INPUT, OUTPUT = "Input", "Output"


class Colour(StrEnum):
    """When to colour; `auto` does on a terminal, unless NO_COLOR is set."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def rerank(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What is looked for, in words.")],
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE", help="Files to read; - or none is standard input.")
    ] = None,
    *,
    top_n: Annotated[int, typer.Option("--top-n", "-n", min=1, help="Show so many, the best first.")] = 10,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Show all of them.")] = False,
    threshold: Annotated[
        float | None, typer.Option("--threshold", "-t", min=0, max=1, help="Show none that scores below.")
    ] = None,
    whole_files: Annotated[
        bool, typer.Option("--files", "-l", help="Rank whole files; show the best sentence of each.")
    ] = False,
    print_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.", rich_help_panel=OUTPUT)] = False,
    colour: Annotated[
        Colour,
        typer.Option("--color", metavar="<when>", help="auto (on a terminal), always, never.", rich_help_panel=OUTPUT),
    ] = Colour.AUTO,
    with_filename: Annotated[
        bool, typer.Option("--with-filename", "-H", help="Begin with the file's name.", rich_help_panel=OUTPUT)
    ] = False,
    no_filename: Annotated[
        bool, typer.Option("--no-filename", "-h", help="Never begin with it.", rich_help_panel=OUTPUT)
    ] = False,
    recursive: Annotated[
        bool,
        typer.Option(
            "--recursive", "-r", help="Read what lies below folders, too, but for hidden files.", rich_help_panel=INPUT
        ),
    ] = False,
    include: Annotated[
        list[str] | None,
        typer.Option(help="With -r: only files whose name matches, as *.md; may be repeated.", rich_help_panel=INPUT),
    ] = None,
    preselect: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Let BM25 choose so many for the model to read (extra eval).",
            rich_help_panel=INPUT,
        ),
    ] = None,
    max_lines: Annotated[
        int, typer.Option(min=1, help="Refuse more lines, or files with -l.", rich_help_panel=INPUT)
    ] = 10_000,
    max_bytes: Annotated[int, typer.Option(min=1, help="Refuse more bytes of text.", rich_help_panel=INPUT)] = 10
    * 2**20,
    model: Model = None,
    engine: Engine = None,
    precision: ComputedIn = None,
) -> None:
    """Rank lines of files by their relevance to a query, in this process: no server needed.

    Prints `file:line:score:text`, the best first. Scores are probabilities. On a terminal the sentence that is most
    relevant by itself is marked. Binary files and lines that show nothing are left out.

    The status is 0 if there is a line to show, 1 if there is none, and 2 if anything could not be read.
    """
    from bentorank.searching.passages import Limits, read_passages
    from bentorank.searching.printing import Layout
    from bentorank.searching.scoring import with_best_sentences
    from bentorank.searching.sources import find_sources

    limits = Limits(max_bytes, None if preselect else max_lines)
    sources = list(find_sources(files or [], recursive=recursive, include=include or []))
    reading = read_passages(sources, limits, whole=whole_files)
    for remark in reading.all_remarks():
        warn(remark)
    for failure in reading.failures:
        complain(failure)
    passages = _preselected(query, reading.passages, preselect)
    hits: list[Hit] = []
    if passages:
        loaded = _load(model, engine, precision)
        hits = _ranked(query, passages, loaded, None if everything else top_n, threshold)
        console = _coloured_console(colour)
        if whole_files or print_json or console is not None:
            hits = with_best_sentences(query, hits, loaded)
        with_filename = (with_filename or len(sources) > 1 or recursive or whole_files) and not no_filename
        _show(hits, Layout(with_filename, whole_files), None if print_json else console, print_json=print_json)
    if reading.failures:
        raise typer.Exit(TROUBLE)
    if not hits:
        raise typer.Exit(FOUND_NOTHING)


def _preselected(query: str, passages: list[Passage], most: int | None) -> list[Passage]:
    if most is None or len(passages) <= most:
        return passages
    from bentorank.evaluation.candidates import bm25_candidates

    texts = {str(place): passage.text for place, passage in enumerate(passages)}
    best = bm25_candidates(texts, {"": query}, most)[""]
    return [passages[int(place)] for place in best]


def _load(model: str | None, engine: EngineKind | None, precision: Precision | None) -> LoadedEngine:
    # An engine brings torch or OpenVINO with it: not before there is something to read.
    from bentorank.engines.loading import load_engine
    from bentorank.settings import read_settings
    from bentorank.wiring import engine_options

    asked = {"model": model, "engine": engine, "precision": precision}
    settings = read_settings().model_copy(update={name: value for name, value in asked.items() if value is not None})
    return load_engine(engine_options(settings, worker_index=1))


def _ranked(
    query: str, passages: Sequence[Passage], engine: LoadedEngine, top_n: int | None, threshold: float | None
) -> list[Hit]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from bentorank.searching.scoring import best_first, score_passages

    places = {passage: place for place, passage in enumerate(passages)}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hits: list[Hit] = []
    console = terminal(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("reading", total=len(passages))
        for scored in score_passages(query, passages, engine):
            hits = best_first([*hits, *scored], places, top_n, threshold)
            progress.advance(bar, len(scored))
    return hits


def _show(hits: Sequence[Hit], layout: Layout, console: Console | None, *, print_json: bool) -> None:
    write = layout.as_json if print_json else layout.plain
    for hit in hits:
        if console is None:
            typer.echo(write(hit))
        else:
            console.print(layout.coloured(hit), soft_wrap=True)


def _coloured_console(colour: Colour) -> Console | None:
    if colour is Colour.NEVER or (colour is Colour.AUTO and not sys.stdout.isatty()):
        return None
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False, force_terminal=True)
