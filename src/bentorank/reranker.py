"""The spine: the way of a rerank from texts to a ranking. Read it top to bottom."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeGuard

from bentorank.cache.in_flight import InFlight
from bentorank.cache.keys import document_keys
from bentorank.cascade.cut import Cut, cut_after, places_to_sift
from bentorank.cascade.embeddings import EmbeddingsStage
from bentorank.cascade.first_stage import EMBEDDINGS, FirstStages, Sifted, model_tokens
from bentorank.columns import TextPairs, WholeDocuments, contents_of
from bentorank.engines.encoding_in_parts import Watch, encode_in_parts
from bentorank.errors import (
    BentorankError,
    DeadlineExceededError,
    DocumentTooLongError,
    InvalidRequestError,
    ScoringError,
    UnavailableError,
)
from bentorank.ranking import is_empty, rank
from bentorank.reading import Count, EncodedDocuments, Terms, Work, scored_pairs, settled
from bentorank.scheduling.forecast import ReadingSpeed, TokenForecast, sizes_in_bytes
from bentorank.stages import StageName
from bentorank.types import (
    CacheUse,
    LengthPolicy,
    OnDeadline,
    OnItemError,
    Overflow,
    Pair,
    Ranking,
    ScoredDocument,
    Scores,
    Unscored,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from bentorank.cache.in_flight import Claim
    from bentorank.cache.keys import CacheKey
    from bentorank.cache.protocol import ScoreCache
    from bentorank.cascade.first_stage import FirstStage
    from bentorank.engines.protocol import Engine, EngineInfo
    from bentorank.engines.word_table import WordTable
    from bentorank.reading import ReadDocument
    from bentorank.scheduling import Scheduler
    from bentorank.types import RerankJob

# As many tokens as 1,000 documents of 512 have, and some.
DEFAULT_MAX_REQUEST_TOKENS = 600_000
# What tokenising may take on the event loop. To hand it to a thread and back takes .2 to .8 ms of CPU, and up to twice
# the switch interval of 5 ms while others hold the GIL.
READ_AT_ONCE_S = 0.001
# Part of an answer is of use only in time: so much of the time that is left, at most, is kept for writing it.
ANSWERING_TAKES_S = 0.05
ANSWERING_TAKES_PART = 0.1
NO_OTHERS: Mapping[str, FirstStage] = MappingProxyType({})


class Reranker:
    """Reranks with one engine behind one scheduler; any number of concurrent callers on event loops."""

    def __init__(  # noqa: PLR0913 - each is a part of its own
        self,
        engine: Engine,
        scheduler: Scheduler,
        *,
        tokenizer_threads: int,
        max_request_tokens: int = DEFAULT_MAX_REQUEST_TOKENS,
        cache: ScoreCache | None = None,
        words: WordTable | None = None,
        others: Mapping[str, FirstStage] = NO_OTHERS,
        names: Collection[str] = (),
    ) -> None:
        """Without a `cache` nothing is remembered, and what two requests ask at a time is computed twice.

        A first stage goes by `words`, the engine's own word embeddings, or is one of `others`, which may change;
        `names` are its own among them.
        """
        self._engine = engine
        self._scheduler = scheduler
        self._max_request_tokens = max_request_tokens
        self._cache = cache
        self._in_flight = InFlight()
        self._forecast = TokenForecast(engine.info.max_tokens)
        self._reading_speed = ReadingSpeed()
        self._tokenizer = ThreadPoolExecutor(tokenizer_threads, thread_name_prefix="tokenize")
        own: dict[str, FirstStage] = {}
        if words is not None:
            own[EMBEDDINGS] = EmbeddingsStage(engine, words, self._tokenizer, max_tokens=max_request_tokens)
        self._first_stages = FirstStages(own, others, names)

    @property
    def info(self) -> EngineInfo:
        """What is loaded."""
        return self._engine.info

    @property
    def first_stages(self) -> Sequence[str]:
        """The names of what may be its first stage now."""
        return self._first_stages.names

    @property
    def scheduler(self) -> Scheduler:
        """The batcher, for its health and its records."""
        return self._scheduler

    @property
    def cache(self) -> ScoreCache | None:
        """The remembered scores, for their records."""
        return self._cache

    async def rerank(self, job: RerankJob, *, let_in: bool = False) -> Ranking:
        """Rank the documents of `job` by relevance to its query; see Terms for `let_in`.

        Raises InvalidRequestError, PayloadTooLargeError, OverloadedError, DeadlineExceededError or UnavailableError
        as the parts below do, and ScoringError naming the documents that the model could not score.
        """
        work = Work()
        with _stages_told(work):
            terms = self._terms(job, let_in=let_in)
            cut = await self._cut(job, terms, work)
            documents = _settled(await self._read_kept(job, cut, terms, work), job, cut)
        count = Count.of(documents)
        return Ranking(
            results=rank(documents, job, self.info.activation),
            # What was computed for it and nobody remembers: documents that are alike are computed once.
            usage=Usage(work.tokens, count.pairs, max(0, count.pairs - work.scored_pairs), count.truncated, cut.usage),
            timings_ms=work.timings,
            query_truncated=count.query_truncated,
            empty_documents=count.empty,
            unscored_documents=count.unscored,
            warnings=job.warnings + self._of_instruction(job) + cut.warnings + count.warnings,
            stages=tuple(work.stages),
        )

    async def score(self, pairs: Sequence[Pair], deadline: float | None = None) -> list[float | BentorankError]:
        """The logit of each of some unrelated pairs, or that pair's own error, in their order.

        Raises OverloadedError, DeadlineExceededError or UnavailableError for all of them.
        """
        try:
            read = await self._read(TextPairs.of(pairs), Terms(deadline=deadline, bounded=False), Work())
        except InvalidRequestError as error:
            # Some pair's query is too long for the model: asking for each alone tells which.
            return [error] if len(pairs) == 1 else await self._score_one_by_one(pairs, deadline)
        return [document.logit if isinstance(document, ScoredDocument) else document for document in read]

    async def score_all(self, pairs: Sequence[Pair], terms: Terms) -> Scores:
        """The logit of each of some unrelated pairs. Raises as `rerank` does."""
        work = Work()
        with _stages_told(work):
            read = await self._read(TextPairs.of(pairs), terms, work)
            _check_scored(read, range(len(read)))
        logits = [document.logit for document in read if isinstance(document, ScoredDocument)]
        return Scores(logits, work.tokens, tuple(work.stages))

    async def sift(self, query: str, passages: Sequence[str], terms: Terms) -> Sifted:
        """Score passages as the first stage of another model; see FirstStage. The query is cut where it is too long."""
        pairs = TextPairs.of_query(query, list(passages))
        overflow = terms.length.overflow if terms.length.overflow is Overflow.CHUNK else Overflow.TRUNCATE
        length = replace(self._readable(terms.length), overflow=overflow, cut_query=True)
        work = Work()
        with _stages_told(work):
            read = await self._read(pairs, replace(terms, length=length), work)
        scored = [document for document in read if isinstance(document, ScoredDocument)]
        return Sifted(
            [document.logit if isinstance(document, ScoredDocument) else None for document in read],
            sum(len(document.chunks) for document in scored),
            work.tokens,
            computed_tokens=work.tokens,
        )

    def forecast_tokens(self, pairs: Sequence[Pair]) -> int:
        """About how many tokens these pairs have, rather too few; 0 while nothing is known of texts."""
        return self._forecast.tokens(sizes_in_bytes(pairs))

    def forecast_cost(self, job: RerankJob) -> int:
        """About what `cost_of` will say of a request, rather too little; 0 while nothing is known of texts."""
        of_all = self._forecast_all(job)
        of_model = of_all * job.most_read // len(job.documents)
        if job.cascade is None or job.most_read == len(job.documents):
            return of_model
        return of_model + model_tokens(job.cascade.first_stage, of_all)

    async def check_tokens(self, pairs: Sequence[Pair], deadline: float | None = None) -> None:
        """Raises PayloadTooLargeError if these pairs have more tokens than a request may have to score.

        Tokenises them only where the model's window lets them have so many.
        """
        if len(pairs) * self.info.max_tokens > self._max_request_tokens:
            terms = Terms(LengthPolicy(cut_query=True), deadline)
            await self._encode(TextPairs.of(pairs), terms, Work(), field="pairs")

    def _terms(self, job: RerankJob, *, let_in: bool) -> Terms:
        """Those of a request. What takes part of an answer must have time left to write it."""
        partial, deadline, length = job.on_deadline is OnDeadline.PARTIAL, job.deadline, job.length
        if partial and deadline is not None:
            deadline -= min(ANSWERING_TAKES_S, ANSWERING_TAKES_PART * max(0.0, deadline - time.monotonic()))
        if job.on_item_error is OnItemError.SKIP and length.overflow is Overflow.ERROR:
            length = replace(length, overflow=Overflow.LEAVE_OUT)
        return Terms(self._readable(length), deadline, partial, job.cache, let_in=let_in)

    def _readable(self, length: LengthPolicy) -> LengthPolicy:
        """Without the instruction that this model would not read."""
        unread = length.instruction is not None and not self.info.takes_instruction
        return replace(length, instruction=None) if unread else length

    def _of_instruction(self, job: RerankJob) -> tuple[str, ...]:
        unread = job.length.instruction is not None and not self.info.takes_instruction
        return ("instruction: this model reads none, and it was ignored",) if unread else ()

    async def _cut(self, job: RerankJob, terms: Terms, work: Work) -> Cut:
        """Which documents the model is to read: all of them, unless a first stage prunes some."""
        cascade, everything = job.cascade, Cut(range(len(job.documents)))
        if cascade is None:
            return everything
        if not cascade.is_asked and cascade.first_stage not in self._first_stages:
            return everything._replace(
                warnings=(f"first_stage: {cascade.first_stage} is not served now: all was read",)
            )
        stage = self._first_stages.find(cascade.first_stage)
        places = places_to_sift(job.documents, cascade.keep)
        if not places:
            return everything
        terms.check_deadline()
        started = time.monotonic()
        try:
            sifted = await self._sift(stage, job, places, terms)
        except DeadlineExceededError:
            if not terms.partial:
                raise
            return everything._replace(warnings=("first_stage: it would take half of the time, and was given up",))
        except UnavailableError:
            if cascade.is_asked:
                raise
            return everything._replace(warnings=("first_stage: it could not be asked: all was read",))
        finally:
            work.sifted(started, len(places))
        work.tokens += sifted.computed_tokens
        return cut_after(cascade, len(job.documents), places, sifted)

    async def _sift(self, stage: FirstStage, job: RerankJob, places: Sequence[int], terms: Terms) -> Sifted:
        """What the first stage says of the documents at `places`."""
        contents = contents_of(job.documents)
        passages = [contents[place] for place in places]
        # It may read an instruction that the model does not.
        asked = replace(terms, length=replace(terms.length, instruction=job.length.instruction))
        try:
            # Refused here what the model could not read in time: the first stage is work too.
            with self._scheduler.expect(self._forecast_kept(job), terms.needed_by, let_in=terms.let_in):
                return await stage.sift(job.query, passages, asked.of_first_stage)
        except DocumentTooLongError as error:
            raise error.at(places[error.position]) from None
        except InvalidRequestError as error:
            if error.field == "instruction":
                error.message = f"first_stage: {error.message}"
            raise

    def _forecast_kept(self, job: RerankJob) -> int:
        """About how many tokens the model will read of what a first stage keeps."""
        return self._forecast_all(job) * job.most_read // len(job.documents)

    def _forecast_all(self, job: RerankJob) -> int:
        """About how many tokens all documents have."""
        return self.forecast_tokens(TextPairs.of_query(job.query, contents_of(job.documents)))

    async def _read_kept(self, job: RerankJob, cut: Cut, terms: Terms, work: Work) -> Sequence[ReadDocument]:
        """What the model says of the documents that are kept."""
        pairs = TextPairs.of_query(job.query, contents_of(job.documents))
        if cut.pruned:
            pairs = pairs.at(cut.kept)
        try:
            return await self._read(pairs, terms, work)
        except DocumentTooLongError as error:
            raise error.at(cut.kept[error.position]) from None

    async def _read(self, pairs: TextPairs, terms: Terms, work: Work) -> Sequence[ReadDocument]:
        """What the model says of each pair, remembered or computed; or that pair's own error.

        That may be DeadlineExceededError where part of the pairs will do.
        """
        terms.check_deadline()
        if self._cache is None or terms.cache is CacheUse.OFF:
            return await self._compute(pairs, terms, work)
        keys = document_keys(self.info.fingerprint, terms.length, pairs)
        remembered = {} if terms.cache is CacheUse.REFRESH else await _recall(self._cache, keys, work)
        missing = [key for key in dict.fromkeys(keys) if key not in remembered]
        if not missing:
            return [remembered[key] for key in keys]
        # Of pairs that are alike, the first is read.
        places = {key: place for place, key in reversed([*enumerate(keys)])}
        with self._in_flight.claim(missing, joins=terms.cache is CacheUse.USE) as claim:
            own = await self._compute_at([places[key] for key in claim.own], keys, pairs, terms, work)
            claim.deliver({key: document for key, document in own.items() if _is_worth_it(document)})
        others = await _of_others(claim, terms, work)
        abandoned = [places[key] for key in missing if key not in own and key not in others]
        again = await self._compute_at(abandoned, keys, pairs, terms, work)
        read = {**remembered, **own, **others, **again}
        return [read[key] for key in keys]

    async def _compute_at(
        self, places: Sequence[int], keys: Sequence[CacheKey], pairs: TextPairs, terms: Terms, work: Work
    ) -> dict[CacheKey, ReadDocument]:
        """What the model says of some of the pairs, by their keys; it is remembered."""
        if not places:
            return {}
        try:
            read = await self._compute(pairs.at(places), terms, work)
        except DocumentTooLongError as error:
            raise error.at(places[error.position]) from None
        by_key = {keys[place]: document for place, document in zip(places, read, strict=True)}
        if self._cache is not None:
            self._cache.put_many([(key, document) for key, document in by_key.items() if _is_worth_it(document)])
        return by_key

    async def _compute(self, pairs: TextPairs, terms: Terms, work: Work) -> Sequence[ReadDocument]:
        """Tokenise the pairs and let the model score them."""
        try:
            encoded = await self._encode(pairs, terms, work)
        except DeadlineExceededError as error:
            if not terms.partial:
                raise
            return [error] * len(pairs)
        chunks = encoded.to_score
        work.tokens += sum(chunks.lengths)
        scored = await self._scheduler.score(chunks, terms.deadline, partial=terms.partial, let_in=terms.let_in)
        work.inference_s += scored.inference_s
        work.stages += scored.stages
        read = encoded.with_outcomes(scored.outcomes)
        work.scored_pairs += scored_pairs(read)
        return read

    async def _encode(
        self, pairs: TextPairs, terms: Terms, work: Work, *, field: str = "documents"
    ) -> EncodedDocuments:
        """The chunks of each pair.

        Raises OverloadedError before that work where the pairs would wait too long, and PayloadTooLargeError as soon as
        those of `field` have more tokens than a request may.
        """
        sizes = sizes_in_bytes(pairs)
        watch = Watch(self._max_request_tokens if terms.bounded else None, field)
        # Tokenising much is CPU work in native code that releases the GIL: off the event loop with it.
        encode = partial(_encode, self._engine, pairs, terms.length, watch)
        with self._scheduler.expect(self._forecast.tokens(sizes), terms.needed_by, let_in=terms.let_in):
            started = time.monotonic()
            try:
                if self._is_read_at_once(sizes, terms.length):
                    encoded, cpu_s = encode()
                else:
                    async with asyncio.timeout(terms.remaining_s):
                        encoded, cpu_s = await asyncio.get_running_loop().run_in_executor(self._tokenizer, encode)
            except TimeoutError:
                raise DeadlineExceededError("the deadline passed before the documents were tokenised") from None
            finally:
                watch.is_over = True
                work.tokenized(started, len(pairs))
        self._forecast.learn(sizes, encoded.chunks)
        self._reading_speed.learn(sum(sizes), cpu_s)
        return encoded

    def _is_read_at_once(self, sizes: Sequence[int], length: LengthPolicy) -> bool:
        """Whether tokenising takes no longer than handing it to a thread, which must wait for the GIL twice."""
        fast = self.info.tokenises_fast and length.overflow is not Overflow.CHUNK
        return fast and self._reading_speed.seconds(sum(sizes)) <= READ_AT_ONCE_S

    async def _score_one_by_one(self, pairs: Sequence[Pair], deadline: float | None) -> list[float | BentorankError]:
        return [outcome for pair in pairs for outcome in await self.score([pair], deadline)]

    def close(self) -> None:
        """Stop the scheduler and the tokenizer threads."""
        self._scheduler.close()
        self._tokenizer.shutdown(wait=False, cancel_futures=True)


def _encode(engine: Engine, pairs: TextPairs, length: LengthPolicy, watch: Watch) -> tuple[EncodedDocuments, float]:
    """The chunks of each pair, and the seconds of CPU that this thread took."""
    started = time.thread_time()
    parts: list[EncodedDocuments] = []
    tokens = 0
    for places, chunks in encode_in_parts(engine, pairs, length, watch):
        part = EncodedDocuments(chunks, list(map(is_empty, pairs.passages[places])))
        tokens += sum(part.to_score.lengths)
        watch.check_tokens(tokens, all_told=places.stop == len(pairs))
        parts.append(part)
    return EncodedDocuments.joined(parts), time.thread_time() - started


@contextmanager
def _stages_told(work: Work) -> Iterator[None]:
    """An error of ours leaves the context with all that was done before it."""
    try:
        yield
    except BentorankError as error:
        error.stages = (*work.stages, *error.stages)
        raise


async def _recall(cache: ScoreCache, keys: Sequence[CacheKey], work: Work) -> dict[CacheKey, ReadDocument]:
    started = time.monotonic()
    remembered = await cache.get_many(keys)
    work.ended(StageName.CACHE, started, documents=len(keys), hits=len(keys) - remembered.count(None))
    return {key: document for key, document in zip(keys, remembered, strict=True) if document is not None}


async def _of_others(claim: Claim, terms: Terms, work: Work) -> dict[CacheKey, ReadDocument]:
    """What others were reading anyway; nothing of those that gave up."""
    if not claim.others:
        return {}
    started = time.monotonic()
    try:
        return {**await claim.of_others(terms.remaining_s)}
    except TimeoutError:
        error = DeadlineExceededError("the deadline passed before every document was scored")
        if not terms.partial:
            raise error from None
        return dict.fromkeys(claim.others, error)
    finally:
        work.ended(StageName.JOIN, started, documents=len(claim.others))


def _is_worth_it(document: ReadDocument) -> TypeGuard[ScoredDocument]:
    """Whether the model scored it: what failed may not fail again, and of an empty one there is nothing to know."""
    return isinstance(document, ScoredDocument) and not document.empty


def _settled(read: Sequence[ReadDocument], job: RerankJob, cut: Cut) -> Sequence[ScoredDocument | Unscored]:
    """The documents in their order, those without a score marked, if the caller takes such an answer."""
    if job.on_item_error is OnItemError.ERROR and not isinstance(read, WholeDocuments):
        _check_scored(read, cut.kept)
    return cut.with_pruned(settled(read))


def _check_scored(read: Sequence[ReadDocument], places: Sequence[int]) -> None:
    """Raises the error of the documents that the model failed on: leaving them out in silence would be a lie.

    `places` are those of the documents in their request.
    """
    failed = {
        place: document for place, document in zip(places, read, strict=True) if isinstance(document, ScoringError)
    }
    if failed:
        named = ", ".join(f"documents[{place}]" for place in [*failed][:5])
        more = f" and {len(failed) - 5} more" if len(failed) > 5 else ""  # noqa: PLR2004 - name a few, count the rest
        first = next(iter(failed.values()))
        raise type(first)(f"{named}{more}: {first.message}")
