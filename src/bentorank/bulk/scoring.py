"""Ranks blocks of rows: their documents are tokenised, batched and scored together, whichever row they are of."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import accumulate, islice, pairwise
from typing import TYPE_CHECKING, NamedTuple, Self

from bentorank.bulk.answers import RankedRow
from bentorank.bulk.errors import GOES_ON, BulkError
from bentorank.bulk.first_stage import other_model, prune_by_model, prune_by_words
from bentorank.bulk.loading import load_scheduled
from bentorank.bulk.rows import Rejection
from bentorank.bulk.workers import Loaded
from bentorank.cascade.cut import Cut
from bentorank.cascade.first_stage import EMBEDDINGS
from bentorank.columns import TextPairs, contents_of
from bentorank.engines.encoded_pairs import EncodedChunks, all_of
from bentorank.errors import (
    BentorankError,
    DocumentTooLongError,
    InvalidRequestError,
    PayloadTooLargeError,
    ScoringError,
    UnavailableError,
)
from bentorank.memory_need import check_memory
from bentorank.ranking import is_empty, rank
from bentorank.reading import Count, EncodedDocuments, settled
from bentorank.scheduling import Device
from bentorank.types import OnItemError, Overflow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from bentorank.bulk.first_stage import Pruner
    from bentorank.bulk.order import Order
    from bentorank.bulk.rows import Candidate
    from bentorank.engines.protocol import EngineInfo
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

    def __init__(self, settings: Settings, order: Order) -> None:
        cascade = order.cascade
        other = other_model(cascade, settings)
        if other is not None:
            check_memory(settings, (settings.model_entries[0], other))
        self._max_row_tokens = order.limits.max_tokens
        self._device = Device()
        models = 1 if other is None else 2
        self._engine, self._scheduler, limits = load_scheduled(settings, self._device, models=models)
        self._tokenizer = ThreadPoolExecutor(settings.tokenizer_threads, thread_name_prefix="tokenize")
        self._pruner: Pruner | None = None
        if other is not None:
            self._pruner = prune_by_model(settings, other, self._device)
        elif cascade is not None:
            self._pruner = prune_by_words(settings, self._engine, self._tokenizer)
        self._device.start()
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
        return Loaded.of(self.info, None if self._pruner is None else self._pruner.loaded)

    def submit(self, rows: Sequence[Candidate]) -> Future[list[Answer]]:
        """Rank a block of rows; any thread. The future raises BulkError where the model is to blame, not a row."""
        return asyncio.run_coroutine_threadsafe(self._rank(rows), self._loop)

    def check(self) -> None:
        """Raises BulkError if a forward pass hangs, or the model's threads have died."""
        if not self._device.is_alive:
            raise _broken("a forward pass hangs" if self._device.is_stalled else "the engine died")

    def close(self) -> None:
        """Give the model back."""
        self._device.close()
        self._scheduler.close()
        if self._pruner is not None:
            self._pruner.close()
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
        try:
            cuts = await asyncio.gather(*(self._cut(row.job) for row in rows))
            _check_first_stage([cut for cut in cuts if isinstance(cut, Cut)])
            encoded = await asyncio.get_running_loop().run_in_executor(self._tokenizer, self._encode, rows, cuts)
            read = [own.to_score for own in encoded if isinstance(own, EncodedDocuments)]
            to_score = all_of(read or [NOTHING.pairs])
            scored = await self._scheduler.score(to_score, let_in=True)
        except UnavailableError:
            raise _broken("the engine died") from None
        _check_failures(scored.outcomes)
        outcomes = iter(scored.outcomes)
        return [self._answer(*each, outcomes) for each in zip(rows, cuts, encoded, strict=True)]

    async def _cut(self, job: RerankJob | None) -> Cut | BentorankError:
        """Which documents of a row the model is to read, or what is wrong with the row."""
        if job is None or job.cascade is None:
            return Cut(range(0 if job is None else len(job.documents)))
        assert self._pruner is not None, "bug: rows ask for a first stage that the order does not"
        try:
            return await self._pruner.cut(job, self._length(job))
        except UnavailableError:
            raise
        except BentorankError as error:
            return error

    def _encode(self, rows: Sequence[Candidate], cuts: Sequence[Cut | BentorankError]) -> list[Encoded]:
        """The tokens of each row's documents that are kept, or what is wrong with that row."""
        encoded: list[Encoded] = [EncodedDocuments(NOTHING, []) for _ in rows]
        alike: defaultdict[LengthPolicy, list[tuple[int, _Kept]]] = defaultdict(list)
        for position, (row, cut) in enumerate(zip(rows, cuts, strict=True)):
            if isinstance(cut, BentorankError):
                encoded[position] = cut
            elif row.job is not None:
                alike[self._length(row.job)].append((position, _Kept(row.job, cut.kept)))
        for length, placed in alike.items():
            read = self._encode_rows([kept for _, kept in placed], length)
            for (position, _), own in zip(placed, read, strict=True):
                encoded[position] = own
        return encoded

    def _length(self, job: RerankJob) -> LengthPolicy:
        """One passage that does not fit must not fail the others' rows."""
        length = job.length
        if length.overflow is Overflow.ERROR:
            length = replace(length, overflow=Overflow.LEAVE_OUT)
        return length if self.info.takes_instruction else replace(length, instruction=None)

    def _encode_rows(self, rows: Sequence[_Kept], length: LengthPolicy) -> list[Encoded]:
        """All in one call; one by one if a query is too long for the model."""
        pairs = [row.pairs for row in rows]
        try:
            chunks = EncodedChunks.of(self._engine.encode_chunks(_all_of(pairs), length))
        except InvalidRequestError as error:
            if len(rows) == 1:
                return [error]
            return [read for row in rows for read in self._encode_rows([row], length)]
        read = [
            EncodedDocuments(chunks[start:end], [is_empty(passage) for passage in own.passages])
            for own, (start, end) in zip(pairs, pairwise(accumulate(map(len, pairs), initial=0)), strict=True)
        ]
        return [self._checked(row, own) for row, own in zip(rows, read, strict=True)]

    def _checked(self, row: _Kept, read: EncodedDocuments) -> Encoded:
        """What was read of a row, unless that is too much, or part of it had to be left out and may not be."""
        if row.job.on_item_error is OnItemError.ERROR and 0 in (read.chunks.counts or ()):
            try:
                self._engine.encode_chunks(row.pairs, replace(self._length(row.job), overflow=Overflow.ERROR))
            except DocumentTooLongError as error:
                return error.at(row.kept[error.position])
            except BentorankError as error:
                return error
        tokens = sum(read.to_score.lengths)
        if tokens > self._max_row_tokens:
            return PayloadTooLargeError(
                f"documents: {tokens} tokens to score, more than the limit of {self._max_row_tokens}",
                field="documents",
            )
        return read

    def _answer(self, row: Candidate, cut: Cut | BentorankError, read: Encoded, outcomes: Iterator[Outcome]) -> Answer:
        if isinstance(read, BentorankError):
            return Rejection.of(row.place, row.id, read)
        assert isinstance(cut, Cut), "bug: what could not be pruned was read"
        if row.job is None:
            return RankedRow(row.id)
        lengths = read.to_score.lengths
        documents = read.with_outcomes(list(islice(outcomes, len(lengths))))
        if row.job.on_item_error is OnItemError.ERROR:
            for place, document in zip(cut.kept, documents, strict=True):
                if isinstance(document, BentorankError):
                    return _failed(row, place, document)
        kept = settled(documents)
        count = Count.of(kept)
        return RankedRow(
            row.id,
            rank(cut.with_pruned(kept), row.job, self.info.activation),
            query_truncated=count.query_truncated,
            documents=len(row.job.documents),
            tokens=sum(lengths),
            truncated=count.truncated,
            empty=count.empty,
            unscored=sum(count.unscored.values()),
            ignored_instruction=row.job.length.instruction is not None and not self.info.takes_instruction,
            first_stage=cut.usage,
        )


class _Kept(NamedTuple):
    """A row and the places of the documents that the model reads of it."""

    job: RerankJob
    kept: Sequence[int]

    @property
    def pairs(self) -> TextPairs:
        return TextPairs.of_query(self.job.query, contents_of(self.job.documents)).at(self.kept)


def _all_of(pairs: Sequence[TextPairs]) -> TextPairs:
    queries = [query for own in pairs for query in own.queries]
    return TextPairs(queries, [passage for own in pairs for passage in own.passages])


def _failed(row: Candidate, place: int, error: BentorankError) -> Rejection:
    field = f"documents[{place}]"
    return Rejection(row.place, row.id, error.code, field, f"{field}: {error.message}")


def _check_failures(outcomes: Sequence[Outcome]) -> None:
    """Raises BulkError if so many fail that the device must be broken: rows are not set aside for that."""
    _check_share(sum(isinstance(outcome, ScoringError) for outcome in outcomes), len(outcomes), "the engine")


def _check_first_stage(cuts: Sequence[Cut]) -> None:
    """As above of another model that is the first stage: what it fails on is kept, which would be pruning at random.

    Word embeddings compute nothing that could fail: they leave out what does not fit.
    """
    read = [cut for cut in cuts if cut.usage is not None and cut.usage.name != EMBEDDINGS]
    _check_share(sum(cut.failed for cut in read), sum(cut.sifted for cut in read), "the first stage")


def _check_share(failed: int, pairs: int, what: str) -> None:
    if failed > FEW_PAIRS and failed * 2 > pairs:
        raise _broken(f"{what} failed on {failed} of {pairs} pairs")


def _broken(what: str) -> BulkError:
    return BulkError(f"{what}: {GOES_ON}")
