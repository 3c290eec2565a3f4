"""Which workers have been silent for too long."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Twenty beats. An event loop that is blocked for so long serves nobody, however busy the machine is.
SILENT_AFTER_S = 10.0


class SilenceWatch:
    """Counts how long each worker has given no sign of life.

    A worker that loads its model gives none yet, for minutes perhaps: before its first it only counts while the system
    has stopped it. `is_stopped` tells that of a pid.
    """

    def __init__(self, is_stopped: Callable[[int], bool], max_step_s: float) -> None:
        """No step counts for more than `max_step_s`: the supervisor, or the whole machine, may have slept."""
        self._is_stopped = is_stopped
        self._max_step_s = max_step_s
        self._silent_s: dict[int, float] = {}
        self._have_served: set[int] = set()

    def has_served(self, pid: int) -> bool:
        """Whether that worker has ever given a sign of life."""
        return pid in self._have_served

    def step(self, seconds: float, pids: Iterable[int], heard: set[int]) -> list[int]:
        """Take note of the beats of the last `seconds`, and name who has been silent for too long."""
        seconds = min(seconds, self._max_step_s)
        pids = list(pids)
        self._have_served = (self._have_served | heard).intersection(pids)
        self._silent_s = {pid: self._silence_of(pid, seconds, heard) for pid in pids}
        return [pid for pid in pids if self._silent_s[pid] >= SILENT_AFTER_S]

    def _silence_of(self, pid: int, seconds: float, heard: set[int]) -> float:
        if pid in heard or not (pid in self._have_served or self._is_stopped(pid)):
            return 0.0
        return self._silent_s.get(pid, 0.0) + seconds
