"""What the person at the terminal sees meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console


class TuningBar:
    """A bar over all measurements, and what is being tried."""

    def __init__(self, console: Console) -> None:
        columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
        self._progress = Progress(*columns, console=console, transient=True)
        self._task = self._progress.add_task("", total=None)

    def plan(self, measurements: int) -> None:
        """How many there will be at most."""
        self._progress.update(self._task, total=measurements)

    def say(self, what: str) -> None:
        """What is being done."""
        self._progress.update(self._task, description=what)

    def advance(self) -> None:
        """One measurement is done."""
        self._progress.advance(self._task)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()
