"""`bentorank check`: whether a model is served here, and how, before the service starts with it."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bentorank.cli.terminal import terminal
from bentorank.engines.options import EngineKind, Precision
from bentorank.errors import ConfigurationError
from bentorank.settings import environment_name, read_settings

EXIT_NOT_SERVED = 1


def check(
    *,
    model: Annotated[str, typer.Argument(help="`starter`, a folder or a Hugging Face model id.", show_default=False)],
    engine: Annotated[EngineKind | None, typer.Option(metavar="<engine>", help="As for `serve`.")] = None,
    precision: Annotated[Precision | None, typer.Option(metavar="<precision>", help="As for `serve`.")] = None,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Memory, speed and agreement; else it is only loaded.")
    ] = True,
    print_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Say whether a model is served on this machine: what it is, how it is read, what it takes, how fast it is, and
    whether it scores as sentence-transformers does.

    It is loaded as the service loads it, with the settings of the environment, and scores a few built-in texts. The
    status is 0 if it is served, 1 if it is not, in the words of the service, and 2 for a mistake in the command or in a
    setting. Only a model id needs a network.
    """
    from bentorank.checking.check import check_model
    from bentorank.checking.report import as_json, as_table

    # The processes that load it read them.
    for field, value in {"model": model, "engine": engine, "precision": precision}.items():
        if value is not None:
            os.environ[environment_name(field)] = str(value)
    settings = read_settings()
    if settings.engine == EngineKind.FAKE:
        raise ConfigurationError("the fake engine has no model that could be checked")
    columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=terminal(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        report = check_model(settings, measure=measure, tell=lambda what: progress.update(task, description=what))
    if print_json:
        typer.echo(json.dumps(as_json(report), indent=2))
    else:
        terminal().print(as_table(report))
    if not report.served:
        raise typer.Exit(EXIT_NOT_SERVED)
