"""The spine with a cache: what is remembered is not read again, and what two ask for at a time is read once."""

import asyncio
import threading
import time

import pytest

from bentorank.cache.memory import MemoryCache
from bentorank.engines.fake import FakeEngine
from bentorank.errors import DeadlineExceededError, DocumentTooLongError, ScoringError
from bentorank.reading import Terms
from bentorank.reranker import Reranker
from bentorank.scheduling import Scheduler, SchedulerLimits
from bentorank.types import (
    CacheUse,
    Document,
    LengthPolicy,
    OnDeadline,
    OnItemError,
    Overflow,
    Pair,
    RerankJob,
    ScoreMode,
)


class CountingEngine(FakeEngine):
    """Counts what it scored; scoring waits for a gate, and takes 2 ms."""

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.scored_pairs = 0

    def forward(self, batch):
        self.gate.wait(10)
        time.sleep(0.002)
        self.scored_pairs += len(batch)
        return super().forward(batch)


@pytest.fixture
def engine():
    return CountingEngine()


@pytest.fixture
def reranker(engine):
    scheduler = Scheduler(engine, SchedulerLimits(10_000, 64, 8))
    scheduler.start()
    reranker = Reranker(engine, scheduler, tokenizer_threads=2, cache=MemoryCache(1 << 20, ttl_s=60))
    yield reranker
    engine.gate.set()
    reranker.close()


def job(*texts, query="a", **options):
    return RerankJob(query, tuple(map(Document, texts)), score_mode=ScoreMode.LOGIT, **options)


def scores(ranking):
    return {result.index: result.logit for result in ranking.results}


def test_what_was_scored_is_remembered_bit_for_bit(engine, reranker):
    """By pair: another list that shares a document has its score, and the usage says whose work it was."""

    async def run():
        first = await reranker.rerank(job("a b", "c", ""))
        second = await reranker.rerank(job("c", "new", "a b"))
        return first, second

    first, second = asyncio.run(run())
    assert (first.usage.pairs, first.usage.cached_pairs, first.usage.tokens) == (2, 0, 7)
    assert (second.usage.pairs, second.usage.cached_pairs, second.usage.tokens) == (3, 2, 3)
    assert (scores(second)[2], scores(second)[0]) == (scores(first)[0], scores(first)[1])
    assert engine.scored_pairs == 3


@pytest.mark.parametrize(("use", "scored", "cached_later"), [(CacheUse.REFRESH, 2, 1), (CacheUse.OFF, 2, 0)])
def test_a_caller_may_want_no_remembered_scores(engine, reranker, use, scored, cached_later):
    """`refresh` reads anew and remembers; `off` does neither."""

    async def run():
        await reranker.rerank(job("a"))
        again = await reranker.rerank(job("a", cache=use))
        other = await reranker.rerank(job("b", cache=use))
        later = await reranker.rerank(job("b"))
        return again, other, later

    again, other, later = asyncio.run(run())
    assert again.usage.cached_pairs == other.usage.cached_pairs == 0
    assert later.usage.cached_pairs == cached_later
    assert engine.scored_pairs == scored + 2 - cached_later


def test_documents_that_are_alike_are_read_once(engine, reranker):
    """And tie."""
    ranking = asyncio.run(reranker.rerank(job("a", "b", "a", "a")))
    assert engine.scored_pairs == 2
    assert scores(ranking)[0] == scores(ranking)[2] == scores(ranking)[3]
    assert [result.index for result in ranking.results] == [0, 2, 3, 1]


def test_the_same_asked_by_many_at_a_time_is_read_once(engine, reranker):
    """A popular query whose scores have just been forgotten costs as much as one request."""

    async def run():
        engine.gate.clear()
        asking = [asyncio.create_task(reranker.rerank(job("a b", "c", "d"))) for _ in range(20)]
        await asyncio.sleep(0.1)
        engine.gate.set()
        return await asyncio.gather(*asking)

    rankings = asyncio.run(run())
    assert engine.scored_pairs == 3
    assert len({tuple(scores(ranking).items()) for ranking in rankings}) == 1
    assert sorted(ranking.usage.cached_pairs for ranking in rankings) == [0] + [3] * 19


def test_who_reads_for_others_may_leave(engine, reranker):
    """The others read it themselves: neither a closed connection nor a short deadline of one is another's error."""

    async def run():
        engine.gate.clear()
        blocker = asyncio.create_task(reranker.rerank(job("x", query="other")))
        await asyncio.sleep(0.05)
        leaving = asyncio.create_task(reranker.rerank(job("a b", "c")))
        late = asyncio.create_task(reranker.score([Pair("a", "d")], deadline=asyncio.get_running_loop().time() + 0.1))
        await asyncio.sleep(0.02)
        staying = asyncio.create_task(reranker.rerank(job("a b", "c", "d")))
        await asyncio.sleep(0.02)
        leaving.cancel()
        with pytest.raises(DeadlineExceededError):
            await late
        engine.gate.set()
        await blocker
        return await staying

    ranking = asyncio.run(run())
    assert len(scores(ranking)) == 3
    assert engine.scored_pairs == 4


def test_a_small_request_does_not_wait_for_a_large_one(engine, reranker):
    """One document that it shares with five hundred is read for itself: fair queueing would be lost otherwise."""

    async def run():
        engine.gate.clear()
        large = asyncio.create_task(reranker.rerank(job(*(f"w {n}" for n in range(500)))))
        await asyncio.sleep(0.1)
        small = asyncio.create_task(reranker.rerank(job("w 499")))
        await asyncio.sleep(0.1)
        engine.gate.set()
        await small
        assert not large.done()
        return await large

    asyncio.run(run())
    assert engine.scored_pairs == 501


def test_failures_are_not_remembered(engine, reranker):
    """What failed once is tried again."""

    async def run():
        for _ in range(2):
            with pytest.raises(ScoringError, match=r"documents\[1\]"):
                await reranker.rerank(job("a", "[[nan]]"))
        return await reranker.rerank(job("a", "[[nan]]", on_item_error=OnItemError.SKIP))

    ranking = asyncio.run(run())
    assert ranking.unscored_documents == {"non_finite_score": 1}
    assert (ranking.usage.pairs, ranking.usage.cached_pairs) == (1, 1)


def test_an_error_names_the_document_as_the_caller_counts(reranker):
    """Remembered documents before it do not move it."""

    async def run():
        length = LengthPolicy(Overflow.ERROR)
        await reranker.score_all([Pair("a", "x"), Pair("a", "y")], Terms(length))
        with pytest.raises(DocumentTooLongError, match=r"^documents\[2\]: 600 tokens"):
            await reranker.rerank(job("x", "y", "w " * 600, "z", length=length))

    asyncio.run(run())


def test_a_partial_answer_has_what_is_remembered(engine, reranker):
    """And does not wait beyond its deadline for what another is reading."""

    async def run():
        now = asyncio.get_running_loop().time
        await reranker.rerank(job("a b"))
        engine.gate.clear()
        reading = asyncio.create_task(reranker.rerank(job("c", "d")))
        await asyncio.sleep(0.05)
        ranking = await reranker.rerank(job("c", "a b", deadline=now() + 0.2, on_deadline=OnDeadline.PARTIAL))
        with pytest.raises(DeadlineExceededError):
            await reranker.rerank(job("c", "a b", deadline=now() + 0.2))
        engine.gate.set()
        await reading
        return ranking

    ranking = asyncio.run(run())
    assert [(result.index, result.unscored) for result in ranking.results] == [(1, None), (0, "deadline_exceeded")]


def test_two_event_loops_share_scores_and_no_readings(engine, reranker):
    """A future of one loop cannot be awaited on another."""
    engine.gate.clear()
    rankings = []
    threads = [
        threading.Thread(target=lambda: rankings.append(asyncio.run(reranker.rerank(job("a", "b"))))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    threading.Timer(0.2, engine.gate.set).start()
    for thread in threads:
        thread.join(10)
    assert len(rankings) == 2
    assert asyncio.run(reranker.rerank(job("a", "b"))).usage.cached_pairs == 2
