"""Ranks blocks of rows: their documents are tokenised, batched and scored together, whichever row they are of."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Self

from bentorank.bulk.answers import RankedRow
from bentorank.bulk.errors import GOES_ON, BulkError
from bentorank.bulk.rows import Rejection
from bentorank.bulk.workers import Loaded
from bentorank.columns import TextPairs, contents_of
from bentorank.engines.encoded_pairs import EncodedChunks, all_of
from bentorank.engines.loading import load_engine
from bentorank.errors import BentorankError, InvalidRequestError, PayloadTooLargeError, ScoringError, UnavailableError
from bentorank.ranking import is_empty, rank
from bentorank.reading import EncodedDocuments
from bentorank.scheduling import Scheduler
from bentorank.types import OnItemError, Overflow, ScoredDocument, Unscored
from bentorank.wiring import engine_options, scheduler_limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from bentorank.bulk.rows import Candidate
    from bentorank.engines.protocol import EngineInfo
    from bentorank.reading import ReadDocument
    from bentorank.scheduling import Outcome
    from bentorank.settings import Settings
    from bentorank.types import LengthPolicy, RerankJob

Answer = RankedRow | Rejection
Encoded = EncodedDocuments | BentorankError

# Passes' worth of tokens in a block, for each pass at a time: enough to sort by length, and for all streams to be busy.
BLOCK_PASSES = 16
# About; texts of other scripts have more tokens, and make larger blocks.
CHARS_A_TOKEN = 4
CLOSING_TIMEOUT_S = 5.0
NOTHING = EncodedChunks.of([])
# Where more than half of so many pairs fail, it is not their fault.
FEW_PAIRS = 8


class BulkScorer:
    """A model in this process behind the service's scheduler. Threads may share it: their blocks share passes.

    Raises ConfigurationError where the model cannot be loaded as asked.
    """

    def __init__(self, settings: Settings, max_row_tokens: int) -> None:
        self._engine = load_engine(engine_options(settings, worker_index=1))
        started = time.monotonic()
        self._engine.warm_up()
        warmed_up_in_s = time.monotonic() - started
        self._max_row_tokens = max_row_tokens
        # Whoever hands blocks over waits for them: nothing is refused.
        limits = replace(scheduler_limits(settings, self.info), max_queue_tokens=sys.maxsize)
        self._scheduler = Scheduler(self._engine, limits, warmed_up_in_s=warmed_up_in_s)
        self._scheduler.start()
        self._tokenizer = ThreadPoolExecutor(settings.tokenizer_threads, thread_name_prefix="tokenize")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="bulk-scorer", daemon=True)
        self._thread.start()
        self.block_chars = BLOCK_PASSES * limits.max_batch_tokens * self.info.forward_threads * CHARS_A_TOKEN

    @property
    def info(self) -> EngineInfo:
        """What is loaded."""
        return self._engine.info

    @property
    def loaded(self) -> Loaded:
        """What all processes of a job must agree on."""
        return Loaded.of(self.info)

    def submit(self, rows: Sequence[Candidate]) -> Future[list[Answer]]:
        """Rank a block of rows; any thread. The future raises BulkError where the model is to blame, not a row."""
        return asyncio.run_coroutine_threadsafe(self._rank(rows), self._loop)

    def check(self) -> None:
        """Raises BulkError if a forward pass hangs, or the model's threads have died."""
        if not self._scheduler.is_alive:
            raise _broken("a forward pass hangs" if self._scheduler.is_stalled else "the engine died")

    def close(self) -> None:
        """Give the model back."""
        self._scheduler.close()
        self._tokenizer.shutdown(wait=False, cancel_futures=True)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSING_TIMEOUT_S)
        if not self._loop.is_running():
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def _rank(self, rows: Sequence[Candidate]) -> list[Answer]:
        encoded = await asyncio.get_running_loop().run_in_executor(self._tokenizer, self._encode, rows)
        to_score = all_of([read.to_score for read in encoded if isinstance(read, EncodedDocuments)] or [NOTHING.pairs])
        try:
            scored = await self._scheduler.score(to_score, let_in=True)
        except UnavailableError:
            raise _broken("the engine died") from None
        _check_failures(scored.outcomes)
        outcomes = iter(scored.outcomes)
        return [self._answer(row, read, outcomes) for row, read in zip(rows, encoded, strict=True)]

    def _encode(self, rows: Sequence[Candidate]) -> list[Encoded]:
        """The tokens of each row's documents, or what is wrong with that row."""
        encoded: list[Encoded] = [EncodedDocuments(NOTHING, []) for _ in rows]
        alike: defaultdict[LengthPolicy, list[int]] = defaultdict(list)
        for position, row in enumerate(rows):
            if row.job is not None:
                alike[self._length(row.job)].append(position)
        for length, positions in alike.items():
            jobs = [job for position in positions if (job := rows[position].job) is not None]
            for position, read in zip(positions, self._encode_jobs(jobs, length), strict=True):
                encoded[position] = read
        return encoded

    def _length(self, job: RerankJob) -> LengthPolicy:
        """One passage that does not fit must not fail the others' rows."""
        length = job.length
        if length.overflow is Overflow.ERROR:
            length = replace(length, overflow=Overflow.LEAVE_OUT)
        return length if self.info.takes_instruction else replace(length, instruction=None)

    def _encode_jobs(self, jobs: Sequence[RerankJob], length: LengthPolicy) -> list[Encoded]:
        """All in one call; one by one if a query is too long for the model."""
        pairs = [_pairs(job) for job in jobs]
        try:
            chunks = EncodedChunks.of(self._engine.encode_chunks(_all_of(pairs), length))
        except InvalidRequestError as error:
            if len(jobs) == 1:
                return [error]
            return [read for job in jobs for read in self._encode_jobs([job], length)]
        read = [
            EncodedDocuments(chunks[start:end], [is_empty(passage) for passage in own.passages])
            for own, (start, end) in zip(pairs, pairwise(accumulate(map(len, pairs), initial=0)), strict=True)
        ]
        return [self._checked(job, own) for job, own in zip(jobs, read, strict=True)]

    def _checked(self, job: RerankJob, read: EncodedDocuments) -> Encoded:
        """What was read of a row, unless that is too much, or part of it had to be left out and may not be."""
        if job.on_item_error is OnItemError.ERROR and 0 in (read.chunks.counts or ()):
            try:
                self._engine.encode_chunks(_pairs(job), replace(self._length(job), overflow=Overflow.ERROR))
            except BentorankError as error:
                return error
        tokens = sum(read.to_score.lengths)
        if tokens > self._max_row_tokens:
            return PayloadTooLargeError(
                f"documents: {tokens} tokens to score, more than the limit of {self._max_row_tokens}",
                field="documents",
            )
        return read

    def _answer(self, row: Candidate, read: Encoded, outcomes: Iterator[Outcome]) -> Answer:
        if isinstance(read, BentorankError):
            return Rejection.of(row.place, row.id, read)
        if row.job is None:
            return RankedRow(row.id)
        documents = read.with_outcomes([next(outcomes) for _ in read.to_score])
        if row.job.on_item_error is OnItemError.ERROR:
            for position, document in enumerate(documents):
                if isinstance(document, BentorankError):
                    return _failed(row, position, document)
        settled = [_settled(document) for document in documents]
        scored = [document for document in settled if isinstance(document, ScoredDocument)]
        return RankedRow(
            row.id,
            rank(settled, row.job, self.info.activation),
            query_truncated=any(document.query_truncated for document in scored[:1]),
            documents=len(documents),
            tokens=sum(read.to_score.lengths),
            truncated=sum(document.chunks[0].truncated for document in scored),
            empty=sum(document.empty for document in scored),
            unscored=len(settled) - len(scored),
            ignored_instruction=row.job.length.instruction is not None and not self.info.takes_instruction,
        )


def _pairs(job: RerankJob) -> TextPairs:
    return TextPairs.of_query(job.query, contents_of(job.documents))


def _all_of(pairs: Sequence[TextPairs]) -> TextPairs:
    queries = [query for own in pairs for query in own.queries]
    return TextPairs(queries, [passage for own in pairs for passage in own.passages])


def _settled(document: ReadDocument) -> ScoredDocument | Unscored:
    return Unscored(document.code) if isinstance(document, BentorankError) else document


def _failed(row: Candidate, position: int, error: BentorankError) -> Rejection:
    field = f"documents[{position}]"
    return Rejection(row.place, row.id, error.code, field, f"{field}: {error.message}")


def _check_failures(outcomes: Sequence[Outcome]) -> None:
    """Raises BulkError if so many fail that the device must be broken: rows are not set aside for that."""
    failed = sum(isinstance(outcome, ScoringError) for outcome in outcomes)
    if failed > FEW_PAIRS and failed * 2 > len(outcomes):
        raise _broken(f"the engine failed on {failed} of {len(outcomes)} pairs")


def _broken(what: str) -> BulkError:
    return BulkError(f"{what}: {GOES_ON}")
