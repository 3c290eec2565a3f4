"""Documents being read right now, so that callers who ask for the same wait for one reading."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from bentorank.cache.keys import CacheKey
    from bentorank.types import ScoredDocument

# Who waits for another's reading waits for all of it. One of up to this many times the size of one's own costs about
# the time that one's own would have; for a document of a far larger one a small request does not wait, but reads it.
TIMES_AS_LARGE = 2


@dataclass(slots=True, eq=False)
class _Reading:
    """What one caller reads; `scored` is filled by the time that `done` is."""

    documents: int
    done: asyncio.Future[None]
    scored: Mapping[CacheKey, ScoredDocument] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a caller has to read itself, and what others are reading for it."""

    own: Sequence[CacheKey]
    _mine: _Reading
    _others: Mapping[CacheKey, _Reading]

    @property
    def others(self) -> Collection[CacheKey]:
        """What others are reading."""
        return self._others.keys()

    def deliver(self, scored: Mapping[CacheKey, ScoredDocument]) -> None:
        """Give the documents of `own` that were scored to whoever waits for them."""
        self._mine.scored = scored

    async def of_others(self, timeout_s: float | None) -> dict[CacheKey, ScoredDocument]:
        """What the others read, but for what they gave up. Raises TimeoutError."""
        readings = {reading.done for reading in self._others.values()}
        if not readings:
            return {}
        _, unfinished = await asyncio.wait(readings, timeout=timeout_s)
        if unfinished:
            raise TimeoutError
        return {
            key: document for key, reading in self._others.items() if (document := reading.scored.get(key)) is not None
        }


class InFlight:
    """Belongs to one event loop at a time; callers on another share nothing with it."""

    def __init__(self) -> None:
        self._readings: dict[CacheKey, _Reading] = {}

    @contextmanager
    def claim(self, keys: Sequence[CacheKey], *, joins: bool = True) -> Iterator[Claim]:
        """Divide `keys`, which are distinct, into those to read now and those that others are reading, if it `joins`.

        Whoever claims must not wait for others within the context: they may wait for it.
        """
        loop = asyncio.get_running_loop()
        others = {key: reading for key in keys if joins and (reading := self._joinable(key, len(keys), loop))}
        own = [key for key in keys if key not in others]
        mine = _Reading(len(own), loop.create_future())
        self._readings.update(dict.fromkeys(own, mine))
        try:
            yield Claim(own, mine, others)
        finally:
            for key in own:
                if self._readings.get(key) is mine:
                    del self._readings[key]
            mine.done.set_result(None)

    def _joinable(self, key: CacheKey, documents: int, loop: asyncio.AbstractEventLoop) -> _Reading | None:
        reading = self._readings.get(key)
        if reading is None or reading.done.get_loop() is not loop or reading.documents > TIMES_AS_LARGE * documents:
            return None
        return reading
