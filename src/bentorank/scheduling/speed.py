"""How fast the device works, measured on the forward passes themselves."""

from __future__ import annotations

# Weight of history: after this many seconds of device time an old measurement counts 1/e.
MEMORY_S = 5.0


class Speedometer:
    """Tokens per second of device time, as a moving average over the last few seconds of it."""

    def __init__(self) -> None:
        self._tokens = 0.0
        self._seconds = 0.0
        self._recorded_at = float("-inf")

    @property
    def tokens_per_s(self) -> float | None:
        """Real tokens (padding excluded) per second of forward pass; None before the first one."""
        return self._tokens / self._seconds if self._seconds > 0 else None

    def record(self, tokens: int, seconds: float, now: float) -> None:
        """Take one forward pass that ended `now` into account.

        One that took minutes, because the machine slept, is one slow pass and not minutes of measurement.
        """
        keep = MEMORY_S / (MEMORY_S + seconds)
        weight = min(1.0, MEMORY_S / seconds) if seconds > 0 else 1.0
        self._tokens = self._tokens * keep + tokens * weight
        self._seconds = self._seconds * keep + seconds * weight
        self._recorded_at = now

    def forget_before(self, now: float) -> None:
        """Know nothing again if the last pass ended before `now`."""
        if self._recorded_at < now:
            self._tokens = self._seconds = 0.0
