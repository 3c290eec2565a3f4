"""`bentorank check`: whether a model is served here, and how, before the service starts with it."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer

from bentorank.cli.model_options import ComputedIn, Engine  # noqa: TC001  typer reads the annotations
from bentorank.cli.terminal import terminal

NOT_SERVED = 1


def check(
    *,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="`starter`, a folder, a Hugging Face model id, or a name in BENTORANK_MODELS.",
            show_default=False,
        ),
    ],
    engine: Engine = None,
    precision: ComputedIn = None,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Memory, speed and agreement; else it is only loaded.")
    ] = True,
    print_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Say whether a model is served on this machine: what it is, how it is read, what it takes, how fast it is, and
    whether it scores as sentence-transformers does.

    It is loaded as the service loads it, with the settings of the environment, and scores a few built-in texts. Only a
    model id needs a network.

    The status is 0 if it is served, 1 if it is not, in the words of the service, and 2 for a mistake in the command or
    in a setting.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from bentorank.checking.check import Phase, check_model
    from bentorank.checking.listed import settings_alone
    from bentorank.checking.report import as_json, as_table
    from bentorank.engines.options import EngineKind
    from bentorank.errors import ConfigurationError
    from bentorank.settings import environment_name, read_settings

    asked = {"engine": engine, "precision": precision}
    chosen = settings_alone(model, read_settings().model_entries)
    chosen |= {name: value for name, value in asked.items() if value is not None}
    # The processes that load it read them.
    os.environ.pop(environment_name("models"), None)
    os.environ.update({environment_name(field): str(value) for field, value in chosen.items()})
    settings = read_settings()
    if EngineKind(settings.engine) is EngineKind.FAKE:
        raise ConfigurationError("the fake engine has no model that could be checked")
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    console = terminal(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        phases = tuple(Phase) if measure else Phase.to_load()
        bar = progress.add_task("", total=len(phases))

        def show(phase: Phase) -> None:
            progress.update(bar, completed=phases.index(phase), description=phase)

        report = check_model(settings, measure=measure, show=show)
    if print_json:
        typer.echo(json.dumps(as_json(report), indent=2))
    else:
        terminal().print(as_table(report))
    if not report.served:
        raise typer.Exit(NOT_SERVED)
