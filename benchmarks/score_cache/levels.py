"""The levels themselves: microseconds a document, milliseconds for a hundred, bytes an entry."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING, Any

from benchmarks.score_cache.redis_process import used_bytes
from bentorank.cache import document_keys
from bentorank.cache.memory import MemoryCache
from bentorank.cache.redis import RedisCache
from bentorank.types import LengthPolicy, Pair, ScoredChunk, ScoredDocument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.cache import CacheKey, ScoreCache

DOCUMENTS = 100
QUERIES = 500
PASSAGE_CHARS = 600
TTL_S = 3600.0
ROOM_BYTES = 1 << 30


def keys_of(query: int) -> list[CacheKey]:
    """Of a hundred passages."""
    pairs = [Pair(f"query {query}", f"{query}-{number} ".ljust(PASSAGE_CHARS, "x")) for number in range(DOCUMENTS)]
    return document_keys("model", LengthPolicy(), pairs)


async def measure_levels(redis_url: str) -> dict[str, Any]:
    """For memory and Redis: keys, a read that finds nothing, a write, and a read that finds all, of a hundred."""
    started = time.perf_counter()
    lists = [keys_of(query) for query in range(QUERIES)]
    key_us = (time.perf_counter() - started) / QUERIES / DOCUMENTS * 1e6
    memory = MemoryCache(ROOM_BYTES, TTL_S)
    in_memory = await _measure(memory, lists)
    (report,) = memory.collect_reports()
    before = used_bytes(redis_url)
    in_redis = await _measure(RedisCache(redis_url, TTL_S), lists)
    return {
        "key_us": key_us,
        "memory": in_memory | {"bytes_an_entry": report.bytes / report.entries},
        "redis": in_redis | {"bytes_an_entry": (used_bytes(redis_url) - before) / (QUERIES * DOCUMENTS)},
    }


async def _measure(cache: ScoreCache, lists: Sequence[Sequence[CacheKey]]) -> dict[str, float]:
    await cache.connect()
    document = ScoredDocument((ScoredChunk(0.5),))
    misses, writes, hits = [], [], []
    for keys in lists:
        started = time.perf_counter()
        await cache.get_many(keys)
        missed = time.perf_counter()
        cache.put_many([(key, document) for key in keys])
        written = time.perf_counter()
        await asyncio.sleep(0.002)  # for what is written in the background
        misses.append(missed - started)
        writes.append(written - missed)
    for keys in lists:
        started = time.perf_counter()
        found = await cache.get_many(keys)
        hits.append(time.perf_counter() - started)
        assert None not in found, "bug: what was written is not found"
    await cache.close()
    return {
        "miss_us": statistics.median(misses) * 1e6,
        "write_us": statistics.median(writes) * 1e6,
        "hit_us": statistics.median(hits) * 1e6,
    }
