"""The spine: the way of a rerank from texts to a ranking. Read it top to bottom."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bentorank.errors import BentorankError, DeadlineExceededError, InvalidRequestError, ScoringError
from bentorank.ranking import rank
from bentorank.types import EncodedPair, Pair, Ranking, Timings, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.engines.protocol import Engine, EngineInfo
    from bentorank.scheduling import Outcome, Scheduler
    from bentorank.types import RerankJob


class Reranker:
    """Reranks with one engine behind one scheduler; any number of concurrent callers on event loops."""

    def __init__(self, engine: Engine, scheduler: Scheduler, *, tokenizer_threads: int) -> None:
        self._engine = engine
        self._scheduler = scheduler
        self._tokenizer = ThreadPoolExecutor(tokenizer_threads, thread_name_prefix="tokenize")

    @property
    def info(self) -> EngineInfo:
        """What is loaded."""
        return self._engine.info

    @property
    def scheduler(self) -> Scheduler:
        """The batcher, for its health and its records."""
        return self._scheduler

    async def rerank(self, job: RerankJob) -> Ranking:
        """Rank the documents of `job` by relevance to its query.

        Raises InvalidRequestError, OverloadedError, DeadlineExceededError or UnavailableError as the parts below do,
        and ScoringError naming the documents that the model could not score.
        """
        started = time.monotonic()
        encoded = await self._encode([Pair(job.query, document.content) for document in job.documents])
        tokenized = time.monotonic()
        _check_deadline(job.deadline, tokenized)
        scored = await self._scheduler.score(encoded, job.deadline)
        logits = _logits(scored.outcomes)
        results = rank(logits, [pair.truncated for pair in encoded], job, self.info.activation)
        total_s = time.monotonic() - started
        return Ranking(
            results=results,
            usage=_usage(encoded),
            timings_ms=_timings(total_s, tokenized - started, scored.inference_s),
        )

    async def score(self, pairs: Sequence[Pair], deadline: float | None = None) -> list[float | BentorankError]:
        """The logit of each of some unrelated pairs, or that pair's own error, in their order.

        Raises OverloadedError, DeadlineExceededError or UnavailableError for all of them.
        """
        try:
            encoded = await self._encode(pairs)
        except InvalidRequestError as error:
            # Some pair's query is too long for the model: asking for each alone tells which.
            return [error] if len(pairs) == 1 else await self._score_one_by_one(pairs, deadline)
        return [*(await self._scheduler.score(encoded, deadline)).outcomes]

    async def _score_one_by_one(self, pairs: Sequence[Pair], deadline: float | None) -> list[float | BentorankError]:
        return [outcome for pair in pairs for outcome in await self.score([pair], deadline)]

    async def _encode(self, pairs: Sequence[Pair]) -> list[EncodedPair]:
        # Tokenising is CPU work in native code that releases the GIL: off the event loop with it.
        return await asyncio.get_running_loop().run_in_executor(self._tokenizer, self._engine.encode, pairs)

    def close(self) -> None:
        """Stop the scheduler and the tokenizer threads."""
        self._scheduler.close()
        self._tokenizer.shutdown(wait=False, cancel_futures=True)


def _check_deadline(deadline: float | None, now: float) -> None:
    if deadline is not None and deadline <= now:
        raise DeadlineExceededError("the deadline passed before the documents were tokenised")


def _logits(outcomes: Sequence[Outcome]) -> list[float]:
    """The logits, unless a pair failed: an answer without some of its documents would be a silent cut."""
    failed = [position for position, outcome in enumerate(outcomes) if isinstance(outcome, BentorankError)]
    if failed:
        first = outcomes[failed[0]]
        assert isinstance(first, ScoringError), "bug: an outcome is a logit or a ScoringError"
        named = ", ".join(f"documents[{position}]" for position in failed[:5])
        more = f" and {len(failed) - 5} more" if len(failed) > 5 else ""  # noqa: PLR2004 - name a few, count the rest
        raise type(first)(f"{named}{more}: {first.message}")
    return [outcome for outcome in outcomes if isinstance(outcome, float)]


def _usage(encoded: Sequence[EncodedPair]) -> Usage:
    return Usage(
        tokens=sum(pair.length for pair in encoded),
        pairs=len(encoded),
        cached_pairs=0,
        truncated_documents=sum(pair.truncated for pair in encoded),
    )


def _timings(total_s: float, tokenize_s: float, inference_s: float) -> Timings:
    queue_s = max(0.0, total_s - tokenize_s - inference_s)
    return Timings(
        queue=round(queue_s * 1e3, 3),
        tokenize=round(tokenize_s * 1e3, 3),
        inference=round(inference_s * 1e3, 3),
        total=round(total_s * 1e3, 3),
    )
