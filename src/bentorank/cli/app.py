"""The `bentorank` command: which subcommands there are."""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.markup import escape

from bentorank.cli.eval import evaluate
from bentorank.cli.export import export
from bentorank.cli.serve import serve
from bentorank.cli.settings import show_settings
from bentorank.cli.tune import tune
from bentorank.errors import BentorankError

EXIT_WRONG_USE = 2

app = typer.Typer(
    name="bentorank",
    help="Order passages by their relevance to a query, with a cross-encoder.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command("serve")(serve)
app.command("eval")(evaluate)
app.command("export")(export)
app.command("tune")(tune)
app.command("settings")(show_settings)


def main() -> None:
    """Run the command; an error of ours is one sentence on standard error, not a traceback."""
    try:
        app()
    except BentorankError as error:
        Console(stderr=True).print(f"[bold red]bentorank:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(EXIT_WRONG_USE)
