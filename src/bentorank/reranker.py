"""The spine: the way of a rerank from texts to a ranking. Read it top to bottom."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
    from collections.abc import Iterator, Sequence

    from bentorank.engines.protocol import Engine, EngineInfo
    from bentorank.scheduling import Outcome, Scheduler
    from bentorank.types import EncodedPair, RerankJob

# As many tokens as 1,000 documents of 512 have, and some.
DEFAULT_MAX_REQUEST_TOKENS = 600_000


@dataclass(frozen=True, slots=True)
class _Encoded:
    """The chunks of each document, and which documents are `empty`.

    Those are not scored: whatever a model says of nothing is no relevance.
    """

    documents: list[list[EncodedPair]]
    empty: list[bool]

    @property
    def to_score(self) -> list[EncodedPair]:
        """The chunks of all documents but the empty ones."""
        return [chunk for chunks, nothing in self._places() if not nothing for chunk in chunks]

    def outcomes(self, scored: Sequence[Outcome]) -> Sequence[Outcome]:
        """The outcomes of `to_score`, and in their places those of the chunks that it left out."""
        if not any(self.empty):
            return scored
        read = iter(scored)
        return [EMPTY_LOGIT if nothing else next(read) for chunks, nothing in self._places() for _ in chunks]

    def _places(self) -> Iterator[tuple[list[EncodedPair], bool]]:
        return zip(self.documents, self.empty, strict=True)


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
        chunks = encoded.to_score
        tokenized = time.monotonic()
        _check_deadline(job.deadline, tokenized)
        tokens = self._count_tokens(chunks)
        scored = await self._scheduler.score(chunks, job.deadline)
        documents = encoded.documents
        logits = _logits(encoded.outcomes(scored.outcomes), documents)
        results = rank(_scored_documents(documents, logits), job, self.info.activation)
        total_s = time.monotonic() - started
        return Ranking(
            results=results,
            usage=Usage(tokens, len(chunks), cached_pairs=0, truncated_documents=_truncated(documents)),
            timings_ms=_timings(total_s, tokenized - started, scored.inference_s),
            query_truncated=_query_truncated(documents),
            empty_documents=sum(encoded.empty),
            warnings=job.warnings + _warnings(documents, sum(encoded.empty)),
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
        scored = await self._scheduler.score(encoded.to_score, deadline)
        return [*encoded.outcomes(scored.outcomes)]

    async def score_all(
        self, pairs: Sequence[Pair], length: LengthPolicy, deadline: float | None = None
    ) -> tuple[list[float], int]:
        """The logit of each of some unrelated pairs, and how many tokens they had. Raises as `rerank` does."""
        encoded = await self._encode(pairs, length, deadline)
        chunks = encoded.to_score
        tokens = self._count_tokens(chunks)
        scored = await self._scheduler.score(chunks, deadline)
        return _logits(encoded.outcomes(scored.outcomes), encoded.documents), tokens

    async def check_tokens(self, pairs: Sequence[Pair], deadline: float | None = None) -> None:
        """Raises PayloadTooLargeError if these pairs have more tokens than a request may have to score.

        Tokenises them only where the model's window lets them have so many.
        """
        if len(pairs) * self.info.max_tokens > self._max_request_tokens:
            encoded = await self._encode(pairs, LengthPolicy(cut_query=True), deadline)
            self._count_tokens([chunk for chunks in encoded.documents for chunk in chunks], "pairs")

    async def _score_one_by_one(self, pairs: Sequence[Pair], deadline: float | None) -> list[float | BentorankError]:
        return [outcome for pair in pairs for outcome in await self.score([pair], deadline)]

    async def _encode(self, pairs: Sequence[Pair], length: LengthPolicy, deadline: float | None) -> _Encoded:
        """The chunks of each pair. Raises OverloadedError before that work where the pairs would wait too long."""
        sizes = sizes_in_bytes(pairs)
        # Tokenising is CPU work in native code that releases the GIL: off the event loop with it.
        work = partial(_encode, self._engine, pairs, length)
        with self._scheduler.expect(self._forecast.tokens(sizes), deadline):
            encoded = await asyncio.get_running_loop().run_in_executor(self._tokenizer, work)
        self._forecast.learn(sizes, encoded.documents)
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


def _encode(engine: Engine, pairs: Sequence[Pair], length: LengthPolicy) -> _Encoded:
    return _Encoded(engine.encode_chunks(pairs, length), [is_empty(pair.passage) for pair in pairs])


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
