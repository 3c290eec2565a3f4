"""How every command ends: what stops it is one line on standard error, and a status; said here and nowhere else.

A command raises: CommandError, or a class of its own below it, with a status of its own if it promises one.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from bentorank.cli.help import show_types_in_words
from bentorank.cli.terminal import complain
from bentorank.errors import BentorankError, CommandError

WRONG_USE = 2
# What a shell reports of a program that wrote into a pipe that nobody reads any more.
READER_GONE = 128 + signal.SIGPIPE
# And of one that was asked to end.
ASKED_TO_END = 128 + signal.SIGTERM


class Commands(TyperGroup):
    """Subcommands, none of which prints an error or leaves the process itself.

    | what is raised                      | status                  |
    |-------------------------------------|-------------------------|
    | CommandError                        | its `exit_status`, or 2 |
    | BentorankError, OSError             | 2                       |
    | an option or argument that is wrong | 2, with where help is   |
    | Ctrl-C                              | 130                     |
    | SIGTERM                             | 143, what it began gone |
    | the reader of a pipe has enough     | 141, and not a word     |

    Anything else is a bug and shows a traceback. What a command warns of while it goes on goes through
    `cli.terminal.warn`. `raise typer.Exit(1)` ends one that has said on standard output that the answer is no.
    """

    def main(self, *args: Any, **extra: Any) -> NoReturn:  # noqa: ANN401 - typer's own arguments
        """Run the command line and leave the process. From here on Ctrl-C and SIGTERM are exceptions."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, _leave)
        try:
            sys.exit(super().main(*args, **extra | {"standalone_mode": False}))
        except TyperException as error:
            _complain_of_use(error, "bentorank")
            sys.exit(WRONG_USE)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - as below
        """A subcommand, with help that is readable at 80 columns."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            show_types_in_words(command, ctx)
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - as below
        """Help of the whole command, in the same words."""
        show_types_in_words(self, ctx)
        super().format_help(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - a context of typer's own copy of click
        """Run the subcommand that was asked for."""
        try:
            outcome = super().invoke(ctx)
            sys.stdout.flush()  # or the interpreter does, where nobody catches what becomes of it
        except BrokenPipeError as error:
            _forget_standard_output()
            raise typer.Exit(READER_GONE) from error
        except TyperException as error:
            _complain_of_use(error, " ".join(filter(None, ("bentorank", ctx.invoked_subcommand))))
            raise typer.Exit(WRONG_USE) from error
        except (CommandError, BentorankError, OSError) as error:
            complain(_one_line(error))
            raise typer.Exit(getattr(error, "exit_status", WRONG_USE)) from error
        return outcome


def _leave(number: int, _frame: object) -> NoReturn:
    """End by an exception, so that half-written folders and started servers go, too; a second SIGTERM ends at once."""
    signal.signal(number, signal.SIG_DFL)
    raise SystemExit(ASKED_TO_END)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())


def _complain_of_use(error: TyperException, command: str) -> None:
    """A message is empty where the mistake was to say nothing: then help has been shown."""
    if message := " ".join(error.format_message().split()):
        message = message.replace("Value error, ", "").rstrip(".")
        complain(f"{message[0].lower()}{message[1:]}; see {command} --help")


def _forget_standard_output() -> None:
    """What is buffered would be written once more when the interpreter ends, into the same broken pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
