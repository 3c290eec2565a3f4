"""The `bentorank` command: which subcommands there are."""

from __future__ import annotations

from typing import Annotated

import typer

from bentorank import __version__
from bentorank.cli.bulk import bulk
from bentorank.cli.check import check
from bentorank.cli.ending import Commands
from bentorank.cli.eval import evaluate
from bentorank.cli.export import export
from bentorank.cli.rerank import rerank
from bentorank.cli.serve import serve
from bentorank.cli.settings import show_settings
from bentorank.cli.tune import tune

# In the other modes help keeps the docstrings' line breaks, or loses what stands in brackets.
app = typer.Typer(
    cls=Commands,
    name="bentorank",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
)
app.command("serve")(serve)
app.command("rerank")(rerank)
app.command("check")(check)
app.command("eval")(evaluate)
app.command("export")(export)
app.command("tune")(tune)
app.command("bulk")(bulk)
app.command("settings")(show_settings)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bentorank {__version__}")
        raise typer.Exit


@app.callback()
def main_options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Order passages by their relevance to a query, with a cross-encoder."""


def main() -> None:
    """Run the command."""
    app()
