"""What commands write to a terminal: names and messages as they are: rich would take `[torch]` for markup."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text


def terminal(*, stderr: bool = False) -> Console:
    """A console that takes no text for markup or for the name of an emoji."""
    return Console(stderr=stderr, markup=False, emoji=False)


def complain(message: str) -> None:
    """One line on standard error."""
    _tell(message, "bold red")


def warn(message: str) -> None:
    """One line on standard error about what need not stop the command."""
    _tell(f"warning: {message}", "yellow")


def _tell(message: str, style: str) -> None:
    line = Text.assemble(("bentorank:", style), " ", message)
    terminal(stderr=True).print(line, highlight=False, soft_wrap=True)
