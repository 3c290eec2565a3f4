"""What the person at the terminal sees meanwhile: a bar, or a line now and then where a log is written."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rich.console import Console

LINE_EVERY_S = 30.0


class BulkBar:
    """Rows, their speed and the time that is left. `places` are what the whole input has, None where nobody knows."""

    def __init__(self, console: Console, say: Callable[[str], None]) -> None:
        self._console, self._say = console, say
        columns = (
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]:,} rows, {task.fields[speed]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=console, transient=True, speed_estimate_period=120)
        self._task = self._bar.add_task("", total=None, rows=0, speed="")
        self.rows = 0
        self._before = 0
        self._started = self._told = time.monotonic()

    def plan(self, places: int | None, done: int, rows: int) -> None:
        """How much there is, and how much of it was done before."""
        self._before = rows
        self._bar.update(self._task, total=places, completed=done, rows=rows)

    def start(self) -> None:
        """The time of the work begins."""
        self._started = self._told = time.monotonic()
        self._bar.reset(self._task, completed=int(self._bar.tasks[0].completed), rows=self._before, speed="")

    def advance(self, rows: int, places: int) -> None:
        """So many more rows and places are done."""
        self.rows += rows
        self._bar.update(self._task, advance=places, rows=self._before + self.rows, speed=self._speed())
        if not self._console.is_terminal and time.monotonic() - self._told >= LINE_EVERY_S:
            self._told = time.monotonic()
            self._say(self._line())

    @property
    def seconds(self) -> float:
        """Since the work began."""
        return time.monotonic() - self._started

    def _speed(self) -> str:
        return f"{self.rows / max(self.seconds, 1e-9):,.1f} rows/s"

    def _line(self) -> str:
        task = self._bar.tasks[0]
        share = "" if task.total is None else f"{task.percentage:.1f} %, "
        left = "" if task.time_remaining is None else f", {task.time_remaining / 60:.0f} minutes left"
        return f"{share}{self._before + self.rows:,} rows, {self._speed()}{left}"

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()
