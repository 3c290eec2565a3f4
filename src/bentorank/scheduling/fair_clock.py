"""Virtual time for fair queueing: how far an equal share of the device would have come, and what models had. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field


@dataclass(slots=True)
class FairClock:
    """Counts tokens of an equal share. A request takes part until its tag, even if it was in truth served before.

    Forgetting it once it is served would let the clock run fast, and large requests overtake small ones in the end.
    """

    now: float = 0.0
    _finish_tags: list[float] = field(default_factory=list)
    _further_tags: list[float] = field(default_factory=list)

    @property
    def callers(self) -> int:
        """How many share the device, without the further requests of a caller with several."""
        return len(self._finish_tags) - len(self._further_tags)

    def enter(self, tokens: int, *, is_further: bool = False) -> float:
        """The virtual time at which a request that comes now would be finished."""
        tag = self.now + tokens
        insort(self._finish_tags, tag)
        if is_further:
            insort(self._further_tags, tag)
        return tag

    def leave(self, tag: float, *, is_further: bool = False) -> None:
        """A request is withdrawn: its share goes to the others."""
        _discard(self._finish_tags, tag)
        if is_further:
            _discard(self._further_tags, tag)

    def advance(self, tokens: float) -> None:
        """The device has worked off so many tokens, of whichever requests."""
        while self._finish_tags and tokens > 0:
            sharing = len(self._finish_tags)
            until_next = (self._finish_tags[0] - self.now) * sharing
            if until_next > tokens:
                self.now += tokens / sharing
                break
            self.now = self._finish_tags.pop(0)
            tokens -= until_next
        del self._further_tags[: bisect_right(self._further_tags, self.now)]

    def rewind(self) -> None:
        """An idle device owes nobody anything; this keeps the floats small for ever."""
        self.now = 0.0
        self._finish_tags.clear()
        self._further_tags.clear()


def _discard(tags: list[float], tag: float) -> None:
    """Take it out of the ascending `tags`, if it is in."""
    place = bisect_left(tags, tag)
    if place < len(tags) and tags[place] == tag:
        del tags[place]


@dataclass(slots=True, eq=False)
class Turn:
    """What one model has had of a device that several share, in seconds of it."""

    served_s: float = 0.0


@dataclass(slots=True)
class Turns:
    """Whose turn it is among models: of those that have work, the one that has had the least of the device.

    Start-time fair queueing, counted in time and not in tokens, since one of a large model takes that of a hundred of a
    small one. So each has an equal share while it has work, however much the others have; and whoever had none does not
    save up: it begins where the others are. Source: Goyal, Vin, Cheng, "Start-time fair queueing", 1996.
    """

    _now_s: float = 0.0

    def enter(self, turn: Turn) -> None:
        """A model that had no work has some again."""
        turn.served_s = max(turn.served_s, self._now_s)

    def take(self, turn: Turn, about_s: float) -> None:
        """It is given the device for about so long."""
        self._now_s = max(self._now_s, turn.served_s)
        turn.served_s += about_s

    @staticmethod
    def correct(turn: Turn, by_s: float) -> None:
        """It took so much longer than had been foreseen."""
        turn.served_s += by_s
