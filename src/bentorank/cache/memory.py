"""Scores in this process's memory: a dict for each query, the least recently used query goes first.

By query, since its documents are asked for together: one step for a hundred of them, and half the bytes.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING

from bentorank.cache.protocol import LevelReport
from bentorank.cache.values import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bentorank.cache.keys import CacheKey
    from bentorank.types import ScoredDocument

# What CPython takes for a digest of 16 bytes, for the head of other bytes, and for a query beside its dict: its own
# digest, its place in the order, its object and the time that it expires.
_DIGEST_BYTES = 64
_BYTES_HEAD = sys.getsizeof(b"")
_ALIGNMENT = 16
_QUERY_BYTES = 320

# One query over endless passages takes no more than this share of the room: its older half then goes.
_LARGEST_SHARE = 4


class _Query:
    """The packed scores of one query by passage, and what all of it takes."""

    __slots__ = ("_value_bytes", "bytes", "expires_at", "values")

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.expires_at = 0.0
        self._value_bytes = 0
        self.bytes = 0

    def put(self, passage: bytes, value: bytes) -> None:
        """Add a score, or replace it."""
        old = self.values.get(passage)
        if old is not None:
            self._value_bytes -= _entry_bytes(old)
        self.values[passage] = value
        self._value_bytes += _entry_bytes(value)

    def measure(self) -> None:
        """Bring `bytes` up to date."""
        self.bytes = _QUERY_BYTES + sys.getsizeof(self.values) + self._value_bytes

    def forget_older_half(self) -> None:
        """Keep what came last."""
        self.values = dict(islice(self.values.items(), (len(self.values) + 1) // 2, None))
        self._value_bytes = sum(map(_entry_bytes, self.values.values()))
        self.measure()


class MemoryCache:
    """A ScoreCache of at most `max_bytes`; a query's scores expire `ttl_s` after the last of them was stored.

    Any thread may use it.
    """

    def __init__(self, max_bytes: int, ttl_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._clock = clock
        self._lock = threading.Lock()
        self._queries: OrderedDict[bytes, _Query] = OrderedDict()
        self._bytes = 0
        self._entries = 0
        self._hits = self._misses = self._written = self._dropped = self._evicted = 0

    async def connect(self) -> None:
        """Nothing to connect to."""

    async def get_many(self, keys: Sequence[CacheKey]) -> list[ScoredDocument | None]:
        """See ScoreCache."""
        return self.get_now(keys)

    def get_now(self, keys: Sequence[CacheKey]) -> list[ScoredDocument | None]:
        """As `get_many`, for who has no event loop."""
        with self._lock:
            packed = self._get_packed(keys)
        found = [value if value is None else unpack(value) for value in packed]
        misses = found.count(None)
        with self._lock:
            self._misses += misses
            self._hits += len(found) - misses
        return found

    def put_many(self, entries: Sequence[tuple[CacheKey, ScoredDocument]]) -> None:
        """See ScoreCache."""
        packed = [(key, pack(document)) for key, document in entries]
        with self._lock:
            self._put_packed(packed)
            self._evict()

    def collect_reports(self) -> list[LevelReport]:
        """See ScoreCache."""
        with self._lock:
            report = LevelReport(
                "memory",
                hits=self._hits,
                misses=self._misses,
                written=self._written,
                dropped=self._dropped,
                evicted=self._evicted,
                entries=self._entries,
                bytes=self._bytes,
            )
            self._hits = self._misses = self._written = self._dropped = self._evicted = 0
        return [report]

    async def close(self) -> None:
        """Nothing to give back."""

    def _get_packed(self, keys: Sequence[CacheKey]) -> list[bytes | None]:
        now = self._clock()
        found: list[bytes | None] = []
        last: bytes | None = None
        values: dict[bytes, bytes] = {}
        for query, passage in keys:
            if query is not last:  # the same object for all documents of a query
                last, values = query, self._values_of(query, now)
            found.append(values.get(passage))
        return found

    def _values_of(self, query: bytes, now: float) -> dict[bytes, bytes]:
        known = self._queries.get(query)
        if known is None:
            return {}
        if known.expires_at <= now:
            self._forget(query)
            return {}
        self._queries.move_to_end(query)
        return known.values

    def _put_packed(self, packed: Sequence[tuple[CacheKey, bytes | None]]) -> None:
        expires_at = self._clock() + self._ttl_s
        touched: dict[bytes, _Query] = {}
        for (query, passage), value in packed:
            if value is None:
                self._dropped += 1
                continue
            known = touched.get(query)
            if known is None:
                known = touched[query] = self._take_out(query)
                known.expires_at = expires_at
            known.put(passage, value)
            self._written += 1
        for query, known in touched.items():
            self._put_back(query, known)

    def _take_out(self, query: bytes) -> _Query:
        known = self._queries.pop(query, None)
        if known is None:
            return _Query()
        self._bytes -= known.bytes
        self._entries -= len(known.values)
        return known

    def _put_back(self, query: bytes, known: _Query) -> None:
        """As the most recently used, no larger than its share."""
        known.measure()
        while known.bytes > self._max_bytes // _LARGEST_SHARE and len(known.values) > 1:
            before = len(known.values)
            known.forget_older_half()
            self._evicted += before - len(known.values)
        self._queries[query] = known
        self._bytes += known.bytes
        self._entries += len(known.values)

    def _evict(self) -> None:
        while self._bytes > self._max_bytes:
            self._evicted += self._forget(next(iter(self._queries)))

    def _forget(self, query: bytes) -> int:
        return len(self._take_out(query).values)


def _entry_bytes(value: bytes) -> int:
    """A passage's digest and its value, as they are allotted."""
    return _DIGEST_BYTES + (_BYTES_HEAD + len(value) + _ALIGNMENT - 1) // _ALIGNMENT * _ALIGNMENT
