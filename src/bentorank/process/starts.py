"""When the worker of a number may be started again: at once if it has served, else after pauses that grow."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_PAUSE_S = 10.0
# Each try takes seconds of processor from those that serve: libraries are loaded before a device is found missing.
LONGEST_PAUSE_AFTER_REFUSAL_S = 60.0


@dataclass(slots=True)
class _Failures:
    in_a_row: int = 0
    due_at: float = 0.0
    was_refused: bool = False


class Starts:
    """Keeps each worker's failed starts. A worker whose settings or device were refused waits until another serves."""

    def __init__(self) -> None:
        self._failures: dict[int, _Failures] = {}

    def ended(self, number: int, now: float, *, has_served: bool) -> None:
        """A worker is gone that nothing forbids to start again."""
        if has_served:
            self._failures.pop(number, None)
            return
        failures = self._failures.setdefault(number, _Failures())
        failures.in_a_row += 1
        failures.was_refused = False
        if failures.in_a_row > 1:
            failures.due_at = now + min(LONGEST_PAUSE_S, 2.0 ** (failures.in_a_row - 2))

    def refused(self, number: int, now: float) -> None:
        """A worker has found that it cannot start."""
        failures = self._failures.setdefault(number, _Failures())
        failures.in_a_row += 1
        failures.was_refused = True
        failures.due_at = now + min(LONGEST_PAUSE_AFTER_REFUSAL_S, 2.0 ** (failures.in_a_row - 1))

    def is_due(self, number: int, now: float, *, somebody_serves: bool) -> bool:
        """Whether to start it now."""
        failures = self._failures.get(number)
        if failures is None:
            return True
        return now >= failures.due_at and (somebody_serves or not failures.was_refused)
