"""Scores in memory: found again, bounded in bytes, forgotten in time, from any thread."""

from __future__ import annotations

import gc
import os
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from bentorank.cache import CacheKey
from bentorank.cache.memory import MemoryCache
from bentorank.types import ScoredChunk, ScoredDocument, Span

MIB = 1 << 20
DAY_S = 86_400.0


class Clock:
    """A clock that stands until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def scored(logit: float) -> ScoredDocument:
    """A whole document."""
    return ScoredDocument((ScoredChunk(logit),), query_truncated=False)


def keys(query: int, passages: int, first: int = 0) -> list[CacheKey]:
    """Keys of some passages of a query."""
    digest = query.to_bytes(16)
    return [CacheKey(digest, passage.to_bytes(16)) for passage in range(first, first + passages)]


def put(cache: MemoryCache, keys: list[CacheKey], logit: float = 1.0) -> None:
    """Store one logit under all of `keys`."""
    cache.put_many([(key, scored(logit)) for key in keys])


def hits(cache: MemoryCache, keys: list[CacheKey]) -> int:
    """How many of them are known."""
    return sum(document is not None for document in cache.get_now(keys))


def test_what_was_put_is_found_in_order() -> None:
    """And nothing else, whole documents and split ones."""
    cache = MemoryCache(MIB, DAY_S)
    one, two, three = keys(7, 3)
    chunks = (ScoredChunk(1, truncated=True, span=Span(0, 5)), ScoredChunk(2, truncated=True, span=Span(4, 9)))
    split = ScoredDocument(chunks, query_truncated=True)
    cache.put_many([(three, split), (one, scored(0.25))])
    assert cache.get_now([one, two, three, *keys(8, 1)]) == [scored(0.25), None, split, None]
    cache.put_many([(one, scored(0.5))])
    assert cache.get_now([one]) == [scored(0.5)]


def test_the_query_that_was_not_used_for_longest_goes_first() -> None:
    """Reading is using."""
    cache = MemoryCache(100_000, DAY_S)
    for query in range(4):
        put(cache, keys(query, 100))
    assert hits(cache, keys(0, 100)) == 100
    for query in range(4, 8):
        put(cache, keys(query, 100))
        assert hits(cache, keys(0, 100)) == 100
    assert hits(cache, keys(1, 100)) == 0
    assert cache.collect_reports()[0].evicted >= 100


def test_scores_are_forgotten_when_their_time_is_over() -> None:
    """From the last of them on."""
    clock = Clock()
    cache = MemoryCache(MIB, 10, clock)
    put(cache, keys(1, 1))
    clock.now = 8
    put(cache, keys(1, 1, first=1))
    clock.now = 17
    assert hits(cache, keys(1, 2)) == 2
    clock.now = 18
    assert hits(cache, keys(1, 2)) == 0
    assert cache.collect_reports()[0].entries == 0


@pytest.mark.parametrize("passages", [1, 10, 100])
def test_the_bytes_that_it_says_are_those_that_it_takes(passages: int) -> None:
    """Never more than it was given, however it is filled, and what it holds is not overestimated by much."""
    max_bytes = MIB
    gc.collect()
    tracemalloc.start()
    try:
        cache = MemoryCache(max_bytes, DAY_S)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(12_000 // passages):
            query = os.urandom(16)
            cache.put_many([(CacheKey(query, os.urandom(16)), scored(1)) for _ in range(passages)])
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    report = cache.collect_reports()[0]
    assert report.bytes <= max_bytes
    # The allocator rounds sizes up, which is counted here and not traced.
    assert 0.7 * report.bytes < taken <= report.bytes


def test_one_query_over_endless_passages_leaves_room_for_others() -> None:
    """It keeps its newest, in a quarter of the room."""
    cache = MemoryCache(400_000, DAY_S)
    put(cache, keys(1, 100))
    for first in range(0, 20_000, 50):
        put(cache, keys(2, 50, first))
    assert hits(cache, keys(1, 100)) == 100
    assert hits(cache, keys(2, 50, 19_950)) == 50
    report = cache.collect_reports()[0]
    assert report.bytes <= 200_000
    assert report.entries + report.evicted == report.written == 20_100


def test_hits_misses_and_what_is_held_are_reported() -> None:
    """In documents, since the last report."""
    cache = MemoryCache(MIB, DAY_S)
    put(cache, keys(1, 3))
    cache.get_now(keys(1, 5))
    cache.put_many([(keys(1, 1)[0], scored(1e300))])
    report = cache.collect_reports()[0]
    counts = (report.level, report.hits, report.misses, report.errors, report.written, report.dropped, report.entries)
    assert counts == ("memory", 3, 2, 0, 3, 1, 3)
    again = cache.collect_reports()[0]
    assert (again.hits, again.misses, again.written, again.entries) == (0, 0, 0, 3)


def test_a_bound_below_one_score_holds_nothing() -> None:
    """And raises nothing."""
    cache = MemoryCache(100, DAY_S)
    put(cache, keys(1, 10))
    assert hits(cache, keys(1, 10)) == 0
    assert cache.collect_reports()[0].bytes == 0


def test_many_threads_may_use_it() -> None:
    """No score under another's key, and the books are right at the end."""
    cache = MemoryCache(300_000, DAY_S)

    def work(thread: int) -> int:
        wrong = 0
        for turn in range(300):
            query = (thread + turn) % 12
            wanted = keys(query, 60)
            wrong += sum(found not in {None, scored(query)} for found in cache.get_now(wanted))
            put(cache, wanted, query)
        return wrong

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) == 0
    report = cache.collect_reports()[0]
    assert report.hits + report.misses == 6 * 300 * 60
    assert report.entries == sum(hits(cache, keys(query, 60)) for query in range(12))
    assert report.bytes <= 300_000
