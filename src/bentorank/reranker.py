"""The spine: the way of a rerank from texts to a ranking. Read it top to bottom."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from bentorank.errors import (
    BentorankError,
    DeadlineExceededError,
    InvalidRequestError,
    PayloadTooLargeError,
    ScoringError,
)
from bentorank.ranking import EMPTY_LOGIT, is_empty, rank
from bentorank.scheduling.forecast import TokenForecast, sizes_in_bytes
from bentorank.types import LengthPolicy, Pair, Ranking, ScoredChunk, Timings, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.engines.protocol import Engine, EngineInfo
    from bentorank.scheduling import Outcome, Scheduler
    from bentorank.types import EncodedPair, RerankJob

# As many tokens as 1,000 documents of 512 have, and some.
DEFAULT_MAX_REQUEST_TOKENS = 600_000


class Reranker:
    """Reranks with one engine behind one scheduler; any number of concurrent callers on event loops."""

    def __init__(
        self,
        engine: Engine,
        scheduler: Scheduler,
        *,
        tokenizer_threads: int,
        max_request_tokens: int = DEFAULT_MAX_REQUEST_TOKENS,
    ) -> None:
        self._engine = engine
        self._scheduler = scheduler
        self._max_request_tokens = max_request_tokens
        self._forecast = TokenForecast(engine.info.max_tokens)
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

        Raises InvalidRequestError, PayloadTooLargeError, OverloadedError, DeadlineExceededError or UnavailableError
        as the parts below do, and ScoringError naming the documents that the model could not score.
        """
        started = time.monotonic()
        pairs = [Pair(job.query, document.content) for document in job.documents]
        encoded = await self._encode(pairs, job.length, job.deadline)
        empty = [is_empty(pair.passage) for pair in pairs]
        chunks = _to_score(encoded, empty)
        tokenized = time.monotonic()
        _check_deadline(job.deadline, tokenized)
        tokens = self._count_tokens(chunks)
        scored = await self._scheduler.score(chunks, job.deadline)
        logits = _logits(_with_empty(scored.outcomes, encoded, empty), encoded)
        results = rank(_scored_documents(encoded, logits), job, self.info.activation)
        total_s = time.monotonic() - started
        return Ranking(
            results=results,
            usage=Usage(tokens, len(chunks), cached_pairs=0, truncated_documents=_truncated(encoded)),
            timings_ms=_timings(total_s, tokenized - started, scored.inference_s),
            query_truncated=_query_truncated(encoded),
            empty_documents=sum(empty),
            warnings=job.warnings + _warnings(encoded, sum(empty)),
        )

    async def score(self, pairs: Sequence[Pair], deadline: float | None = None) -> list[float | BentorankError]:
        """The logit of each of some unrelated pairs, or that pair's own error, in their order.

        Raises OverloadedError, DeadlineExceededError or UnavailableError for all of them.
        """
        try:
            encoded = await self._encode(pairs, LengthPolicy(), deadline)
        except InvalidRequestError as error:
            # Some pair's query is too long for the model: asking for each alone tells which.
            return [error] if len(pairs) == 1 else await self._score_one_by_one(pairs, deadline)
        empty = [is_empty(pair.passage) for pair in pairs]
        scored = await self._scheduler.score(_to_score(encoded, empty), deadline)
        return [*_with_empty(scored.outcomes, encoded, empty)]

    async def score_all(
        self, pairs: Sequence[Pair], length: LengthPolicy, deadline: float | None = None
    ) -> tuple[list[float], int]:
        """The logit of each of some unrelated pairs, and how many tokens they had. Raises as `rerank` does."""
        encoded = await self._encode(pairs, length, deadline)
        empty = [is_empty(pair.passage) for pair in pairs]
        chunks = _to_score(encoded, empty)
        tokens = self._count_tokens(chunks)
        scored = await self._scheduler.score(chunks, deadline)
        return _logits(_with_empty(scored.outcomes, encoded, empty), encoded), tokens

    async def check_tokens(self, pairs: Sequence[Pair], deadline: float | None = None) -> None:
        """Raises PayloadTooLargeError if these pairs have more tokens than a request may have to score.

        Tokenises them only where the model's window lets them have so many.
        """
        if len(pairs) * self.info.max_tokens > self._max_request_tokens:
            encoded = await self._encode(pairs, LengthPolicy(cut_query=True), deadline)
            self._count_tokens([chunk for chunks in encoded for chunk in chunks], "pairs")

    async def _score_one_by_one(self, pairs: Sequence[Pair], deadline: float | None) -> list[float | BentorankError]:
        return [outcome for pair in pairs for outcome in await self.score([pair], deadline)]

    async def _encode(
        self, pairs: Sequence[Pair], length: LengthPolicy, deadline: float | None
    ) -> list[list[EncodedPair]]:
        """The chunks of each pair. Raises OverloadedError before that work where the pairs would wait too long."""
        sizes = sizes_in_bytes(pairs)
        # Tokenising is CPU work in native code that releases the GIL: off the event loop with it.
        work = partial(self._engine.encode_chunks, pairs, length)
        with self._scheduler.expect(self._forecast.tokens(sizes), deadline):
            encoded = await asyncio.get_running_loop().run_in_executor(self._tokenizer, work)
        self._forecast.learn(sizes, encoded)
        return encoded

    def _count_tokens(self, chunks: Sequence[EncodedPair], field: str = "documents") -> int:
        """How many there are to score. Raises PayloadTooLargeError if they are more than a request may have."""
        tokens = sum(chunk.length for chunk in chunks)
        if tokens > self._max_request_tokens:
            raise PayloadTooLargeError(
                f"{field}: {tokens} tokens to score, more than the limit of {self._max_request_tokens}", field=field
            )
        return tokens

    def close(self) -> None:
        """Stop the scheduler and the tokenizer threads."""
        self._scheduler.close()
        self._tokenizer.shutdown(wait=False, cancel_futures=True)


def _check_deadline(deadline: float | None, now: float) -> None:
    if deadline is not None and deadline <= now:
        raise DeadlineExceededError("the deadline passed before the documents were tokenised")


def _to_score(encoded: Sequence[Sequence[EncodedPair]], empty: Sequence[bool]) -> list[EncodedPair]:
    """The chunks of all documents but the empty ones: whatever a model says of nothing is no relevance."""
    return [chunk for chunks, nothing in zip(encoded, empty, strict=True) if not nothing for chunk in chunks]


def _with_empty(
    outcomes: Sequence[Outcome], encoded: Sequence[Sequence[EncodedPair]], empty: Sequence[bool]
) -> list[Outcome]:
    """The outcomes of `_to_score`, and in their places those of the chunks that it left out."""
    if not any(empty):
        return [*outcomes]
    scored = iter(outcomes)
    return [
        EMPTY_LOGIT if nothing else next(scored) for chunks, nothing in zip(encoded, empty, strict=True) for _ in chunks
    ]


def _logits(outcomes: Sequence[Outcome], encoded: Sequence[Sequence[EncodedPair]]) -> list[float]:
    """The logits, unless a pair failed: an answer without some of its documents would be a silent cut."""
    documents = [position for position, chunks in enumerate(encoded) for _ in chunks]
    errors = {
        documents[number]: outcome for number, outcome in enumerate(outcomes) if isinstance(outcome, BentorankError)
    }
    if errors:
        failed = list(errors)
        first = errors[failed[0]]
        assert isinstance(first, ScoringError), "bug: an outcome is a logit or a ScoringError"
        named = ", ".join(f"documents[{position}]" for position in failed[:5])
        more = f" and {len(failed) - 5} more" if len(failed) > 5 else ""  # noqa: PLR2004 - name a few, count the rest
        raise type(first)(f"{named}{more}: {first.message}")
    return [outcome for outcome in outcomes if isinstance(outcome, float)]


def _scored_documents(encoded: Sequence[Sequence[EncodedPair]], logits: Sequence[float]) -> list[list[ScoredChunk]]:
    """The logits, given back to the documents whose chunks they are."""
    remaining = iter(logits)
    return [[ScoredChunk(next(remaining), chunk.truncated, chunk.span) for chunk in chunks] for chunks in encoded]


def _truncated(encoded: Sequence[Sequence[EncodedPair]]) -> int:
    return sum(chunks[0].truncated for chunks in encoded)


def _query_truncated(encoded: Sequence[Sequence[EncodedPair]]) -> bool:
    return any(chunk.query_truncated for chunks in encoded[:1] for chunk in chunks)


def _warnings(encoded: Sequence[Sequence[EncodedPair]], empty: int) -> tuple[str, ...]:
    """What the caller may not have expected; every cut is one."""
    warnings = []
    if _query_truncated(encoded):
        warnings.append("the query was longer than half of what the model reads and was cut to that")
    if cut := _truncated(encoded):
        warnings.append(f"{cut} of {len(encoded)} documents were longer than was to be read and were cut")
    if empty:
        warnings.append(f"{empty} of {len(encoded)} documents were empty and stand last, unread")
    return tuple(warnings)


def _timings(total_s: float, tokenize_s: float, inference_s: float) -> Timings:
    queue_s = max(0.0, total_s - tokenize_s - inference_s)
    return Timings(
        queue=round(queue_s * 1e3, 3),
        tokenize=round(tokenize_s * 1e3, 3),
        inference=round(inference_s * 1e3, 3),
        total=round(total_s * 1e3, 3),
    )
