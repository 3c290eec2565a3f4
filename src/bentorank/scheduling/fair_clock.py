"""Virtual time for fair queueing: how far an equal share of the device would have come. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field


@dataclass(slots=True)
class FairClock:
    """Counts tokens of an equal share. A request takes part until its tag, even if it was in truth served before.

    Forgetting it once it is served would let the clock run fast, and large requests overtake small ones in the end.
    """

    now: float = 0.0
    _finish_tags: list[float] = field(default_factory=list)

    def enter(self, tokens: int) -> float:
        """The virtual time at which a request that comes now would be finished."""
        tag = self.now + tokens
        insort(self._finish_tags, tag)
        return tag

    def leave(self, tag: float) -> None:
        """A request is withdrawn: its share goes to the others."""
        place = bisect_left(self._finish_tags, tag)
        if place < len(self._finish_tags) and self._finish_tags[place] == tag:
            del self._finish_tags[place]

    def advance(self, tokens: float) -> None:
        """The device has worked off so many tokens, of whichever requests."""
        while self._finish_tags and tokens > 0:
            sharing = len(self._finish_tags)
            until_next = (self._finish_tags[0] - self.now) * sharing
            if until_next > tokens:
                self.now += tokens / sharing
                return
            self.now = self._finish_tags.pop(0)
            tokens -= until_next

    def rewind(self) -> None:
        """An idle device owes nobody anything; this keeps the floats small for ever."""
        self.now = 0.0
        self._finish_tags.clear()
