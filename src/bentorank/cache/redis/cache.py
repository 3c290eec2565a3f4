"""The score cache in Redis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bentorank.cache.protocol import LevelReport
from bentorank.cache.redis.client import check_url
from bentorank.cache.redis.layout import seal
from bentorank.cache.redis.link import Link
from bentorank.cache.redis.reading import Reading
from bentorank.cache.redis.writing import Sealed, WriteCounts, Writer
from bentorank.cache.values import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.cache.keys import CacheKey
    from bentorank.types import ScoredDocument

CLOSE_WITHIN_S = 0.2


class RedisCache:
    """A ScoreCache in the server at `url`; it connects when it is first used, from the loop that uses it.

    Raises ConfigurationError if the client library is missing or the URL is none.
    """

    def __init__(self, url: str, ttl_s: float) -> None:
        check_url(url)
        self._url = url
        self._ttl_s = ttl_s
        self._link: Link | None = None
        self._writer: Writer | None = None
        self._is_closed = False
        self._hits = self._misses = self._errors = 0
        self._writes = WriteCounts()

    async def connect(self) -> None:
        """See ScoreCache."""
        link, _ = self._connected()
        await link.start()

    async def get_many(self, keys: Sequence[CacheKey]) -> list[ScoredDocument | None]:
        """See ScoreCache."""
        reading = await self._read(keys)
        if reading is None:
            self._errors += len(keys)
            return [None] * len(keys)
        hits = len(keys) - reading.found.count(None)
        bad = sum(reading.found[position] is None for position in reading.bad)
        self._hits += hits
        self._errors += bad
        self._misses += len(keys) - hits - bad
        return reading.found

    async def _read(self, keys: Sequence[CacheKey]) -> Reading | None:
        if self._is_closed or not keys:
            return None
        link, _ = self._connected()
        return await link.read(Reading(keys).read)

    def put_many(self, entries: Sequence[tuple[CacheKey, ScoredDocument]]) -> None:
        """See ScoreCache."""
        try:
            link, writer = self._connected()
        except RuntimeError:  # no event loop runs here
            self._writes.dropped += len(entries)
            return
        if self._is_closed or not link.is_open:
            self._writes.dropped += len(entries)
            return
        packed = [(key, pack(document)) for key, document in entries]
        sealed = [Sealed(key, seal(key, value)) for key, value in packed if value is not None]
        self._writes.dropped += len(packed) - len(sealed)
        writer.put(sealed)

    def collect_reports(self) -> list[LevelReport]:
        """See ScoreCache."""
        report = LevelReport(
            "redis",
            hits=self._hits,
            misses=self._misses,
            errors=self._errors,
            written=self._writes.written,
            dropped=self._writes.dropped,
            failed=self._writes.failed,
            is_up=self._link is not None and self._link.is_up,
        )
        self._hits = self._misses = self._errors = 0
        self._writes.written = self._writes.dropped = self._writes.failed = 0
        return [report]

    async def close(self) -> None:
        """See ScoreCache."""
        self._is_closed = True
        if self._link is None or self._writer is None or self._link.loop is not asyncio.get_running_loop():
            return
        await self._writer.close(CLOSE_WITHIN_S)
        await self._link.close()

    def _connected(self) -> tuple[Link, Writer]:
        """What belongs to the running loop. Raises RuntimeError if there is none."""
        if self._link is None or self._writer is None or self._link.loop is not asyncio.get_running_loop():
            self._link = Link(self._url)
            self._writer = Writer(self._link, self._ttl_s, self._writes)
        return self._link, self._writer
