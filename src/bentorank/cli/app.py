"""The `bentorank` command: which subcommands there are, and how each tells what went wrong."""

from __future__ import annotations

import errno
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bentorank import __version__
from bentorank.bulk.errors import BulkError
from bentorank.cli.bulk import bulk
from bentorank.cli.eval import evaluate
from bentorank.cli.export import export
from bentorank.cli.serve import serve
from bentorank.cli.settings import show_settings
from bentorank.cli.terminal import complain
from bentorank.cli.tune import tune
from bentorank.errors import BentorankError
from bentorank.evaluation.errors import EvaluationError
from bentorank.exporting.errors import DisagreementError, ExportError

EXIT_DISAGREEMENT = 1
EXIT_WRONG_USE = 2


class Commands(TyperGroup):
    """The subcommands; an error of ours, or of the operating system, is one line on standard error, not a traceback."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - a context of click's, or of typer's own copy of it
        """Run the subcommand that was asked for."""
        try:
            return super().invoke(ctx)
        except (BentorankError, BulkError, EvaluationError, ExportError, OSError) as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:  # the reader of a pipe has enough
                raise
            complain(str(error))
            raise typer.Exit(EXIT_DISAGREEMENT if isinstance(error, DisagreementError) else EXIT_WRONG_USE) from error


# In the other modes help keeps the docstrings' line breaks, or loses what stands in brackets.
app = typer.Typer(
    cls=Commands,
    name="bentorank",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
)
app.command("serve")(serve)
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
