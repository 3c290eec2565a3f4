"""The spine over the fake engine: what happens before anything is scored."""

import asyncio
import threading
import time
from dataclasses import replace

import pytest

from bentorank.cascade.first_stage import Sifted
from bentorank.engines.fake import FakeEngine
from bentorank.errors import DeadlineExceededError, InvalidRequestError, OverloadedError
from bentorank.reading import Terms
from bentorank.reranker import Reranker
from bentorank.scheduling import Scheduler, SchedulerLimits
from bentorank.types import Cascade, Document, LengthPolicy, Pair, RerankJob

PASSAGE = "one two three four five six seven"
PAIRS = [Pair("night owl", PASSAGE)] * 10


class GatedEngine(FakeEngine):
    """Counts the pairs that it tokenised; tokenising and scoring wait for a gate each."""

    def __init__(self):
        super().__init__()
        self.tokenising, self.scoring = threading.Event(), threading.Event()
        self.tokenising.set()
        self.scoring.set()
        self.tokenised_pairs = 0

    def encode_chunks(self, pairs, policy):
        self.tokenising.wait(10)
        self.tokenised_pairs += len(pairs)
        return super().encode_chunks(pairs, policy)

    def forward(self, batch):
        self.scoring.wait(10)
        return super().forward(batch)


@pytest.fixture
def engine():
    return GatedEngine()


@pytest.fixture
def reranker(engine):
    scheduler = Scheduler(engine, SchedulerLimits(200, 64, 8))
    scheduler.start()
    reranker = Reranker(engine, scheduler, tokenizer_threads=2)
    yield reranker
    engine.tokenising.set()
    engine.scoring.set()
    reranker.close()


def job(documents):
    """Ten tokens a document: two of the query, a separator and seven."""
    return RerankJob("night owl", (Document(PASSAGE),) * documents)


@pytest.mark.parametrize("route", ["rerank", "score", "score_all"])
def test_a_full_queue_refuses_before_tokenising(engine, reranker, route):
    """Under overload most requests are refused: that must not take the time of those that are served."""
    asks = {
        "rerank": lambda: reranker.rerank(job(10)),
        "score": lambda: reranker.score(PAIRS),
        "score_all": lambda: reranker.score_all(PAIRS, Terms()),
    }

    async def run():
        await reranker.rerank(job(1))
        engine.scoring.clear()
        filling = asyncio.create_task(reranker.rerank(job(15)))
        await asyncio.sleep(0.05)
        with pytest.raises(OverloadedError, match="queue is full"):
            await asks[route]()
        tokenised_pairs = engine.tokenised_pairs
        engine.scoring.set()
        await filling
        return tokenised_pairs

    assert asyncio.run(run()) == 1 + 15


def test_what_is_being_tokenised_counts_as_waiting(engine, reranker):
    """Many that come at once are not all let in because none of them has been counted yet."""

    async def run():
        await reranker.rerank(job(1))
        engine.tokenising.clear()
        first = asyncio.create_task(reranker.rerank(job(15)))
        await asyncio.sleep(0.05)
        with pytest.raises(OverloadedError):
            await reranker.rerank(job(15))
        engine.tokenising.set()
        return await first

    assert len(asyncio.run(run()).results) == 15
    assert reranker.scheduler.state.tokens == 0, "whatever was expected is released"


def test_a_request_that_fails_in_tokenising_is_no_longer_waited_for(reranker):
    """An error must not fill the queue for ever."""

    async def run():
        await reranker.rerank(job(1))
        for _ in range(30):
            with pytest.raises(InvalidRequestError, match="the query has"):
                await reranker.rerank(RerankJob("word " * 300, (Document("one two three"),)))
        return await reranker.rerank(job(15))

    assert len(asyncio.run(run()).results) == 15


def test_a_ranking_tells_its_stages(reranker):
    """One after the other, within the time that it took."""
    started = time.monotonic()
    ranking = asyncio.run(reranker.rerank(job(3)))
    tokenize, queue, inference = ranking.stages
    assert [stage.name for stage in ranking.stages] == ["tokenize", "queue", "inference"]
    assert started <= tokenize.started <= tokenize.ended <= queue.started
    assert queue.ended == inference.started <= inference.ended <= time.monotonic()
    assert (tokenize.counts["documents"], inference.counts["pairs"]) == (3, 3)


@pytest.mark.parametrize(
    ("gate", "stages"), [("tokenising", ["tokenize"]), ("scoring", ["tokenize", "queue", "inference"])]
)
def test_a_deadline_that_passes_tells_what_it_passed_in(engine, reranker, gate, stages):
    """The stage that was not over ends with it."""
    getattr(engine, gate).clear()
    asked = RerankJob("night owl", (Document(PASSAGE),), deadline=time.monotonic() + 0.1)
    with pytest.raises(DeadlineExceededError) as passed:
        asyncio.run(reranker.rerank(asked))
    assert [stage.name for stage in passed.value.stages] == stages
    assert passed.value.stages[-1].ended >= asked.deadline


def test_who_waits_behind_others_when_the_deadline_passes_was_in_the_queue(engine, reranker):
    """And never computed."""

    async def run():
        engine.scoring.clear()
        first = asyncio.create_task(reranker.rerank(job(6)))
        await asyncio.sleep(0.05)
        with pytest.raises(DeadlineExceededError) as passed:
            await reranker.rerank(RerankJob("night owl", (Document("eight"),), deadline=time.monotonic() + 0.1))
        engine.scoring.set()
        await first
        return passed.value.stages

    assert [stage.name for stage in asyncio.run(run())] == ["tokenize", "queue"]


class Sieve:
    """A first stage that notes the instruction it is given, and may refuse it."""

    def __init__(self, *, refuses):
        self.refuses = refuses
        self.instructions = []

    async def sift(self, _query, passages, terms):
        self.instructions.append(terms.length.instruction)
        if self.refuses:
            raise InvalidRequestError("the instruction leaves no room for a query", field="instruction")
        return Sifted([float(place) for place in range(len(passages))], len(passages), 0)


@pytest.mark.parametrize("refuses", [False, True])
def test_a_first_stage_reads_an_instruction_that_the_model_does_not(engine, refuses):
    """And one that does not fit into the first stage is not said of the model."""
    scheduler, sieve = Scheduler(engine, SchedulerLimits(200, 64, 8)), Sieve(refuses=refuses)
    scheduler.start()
    reranker = Reranker(engine, scheduler, tokenizer_threads=1, others={"small": sieve})
    asked = replace(job(3), length=LengthPolicy(instruction="Find owls."), cascade=Cascade("small", 1))
    try:
        if refuses:
            with pytest.raises(InvalidRequestError) as caught:
                asyncio.run(reranker.rerank(asked))
            assert caught.value.message.startswith("first_stage: the instruction leaves no room")
        else:
            ranking = asyncio.run(reranker.rerank(asked))
            assert ranking.usage.pruned_documents == 2
    finally:
        reranker.close()
    assert sieve.instructions == ["Find owls."]
