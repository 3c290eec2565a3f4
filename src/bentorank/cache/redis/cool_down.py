"""When to stop asking a server that does not answer. Pure but for the clock that it is given."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FAILURES = 5
WINDOW_S = 10.0


class CoolDown:
    """Begins with five failures in a row, or in ten seconds, and lasts until `end`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failed_at: deque[float] = deque(maxlen=FAILURES)
        self._in_a_row = 0
        self.is_on = False

    def succeeded(self) -> None:
        """A call was answered."""
        self._in_a_row = 0

    def failed(self) -> bool:
        """A call was not. True if the cool-down begins with it."""
        now = self._clock()
        self._failed_at.append(now)
        self._in_a_row += 1
        many = len(self._failed_at) == FAILURES and now - self._failed_at[0] <= WINDOW_S
        begins = not self.is_on and (many or self._in_a_row >= FAILURES)
        self.is_on = self.is_on or begins
        return begins

    def end(self) -> None:
        """The server answers again."""
        self._failed_at.clear()
        self._in_a_row = 0
        self.is_on = False
