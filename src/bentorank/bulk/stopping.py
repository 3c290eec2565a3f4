"""SIGINT and SIGTERM: the first lets a job finish what it is ranking, a second ends it at once."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether the job was asked to end, and by which signal."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def is_asked(self) -> bool:
        """Whether to end early."""
        return self.signal is not None

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Take signals within the context. For the main thread."""
        before = {number: signal.signal(number, self._take) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
