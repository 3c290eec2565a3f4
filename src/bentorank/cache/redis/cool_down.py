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
        return (many or self._in_a_row >= FAILURES) and self.begin()

    def begin(self) -> bool:
        """Ask no more. False if that was so already."""
        begins, self.is_on = not self.is_on, True
        return begins

    def end(self) -> None:
        """The server answers again."""
        self._failed_at.clear()
        self._in_a_row = 0
        self.is_on = False
