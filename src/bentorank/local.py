"""Reranking in the caller's own process: the interface of bentorank-client's RerankClient, without a service."""

from __future__ import annotations

import asyncio
import math
import os
import sys
import threading
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Self, Unpack, cast

import orjson
from bentorank_client import (
    APIStatusError,
    APITimeoutError,
    BadRequestError,
    FirstStageUsage,
    OverloadedError,
    RankedDocument,
    RateLimitError,
    RerankError,
    RerankRequest,
    RerankResult,
    Span,
    Timings,
    Usage,
)
from bentorank_client.arguments import READING_RULES, Reading, check
from bentorank_client.request_body import request_body
from bentorank_client.service_info import model_info

from bentorank.cache import open_cache
from bentorank.errors import (
    BentorankError,
    DeadlineExceededError,
    InvalidRequestError,
    UnavailableError,
)
from bentorank.errors import OverloadedError as QueueFullError
from bentorank.hosting import Host
from bentorank.http.about.model_details import model_details
from bentorank.http.dialects.native import NATIVE
from bentorank.http.routes.body import read_as
from bentorank.models import ServedModels
from bentorank.scheduling import Device
from bentorank.settings import Settings
from bentorank.types import CacheUse
from bentorank.wiring import cache_options, job_rules

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from bentorank_client import Document, ModelInfo, RerankArguments
    from bentorank_client.arguments import ReadingArguments

    from bentorank.http.dialects.dialect import JobRules
    from bentorank.models import ServedModel
    from bentorank.types import RankedDocument as ScoredDocument
    from bentorank.types import Ranking, RerankJob


CLOSING_TIMEOUT_S = 5.0
# The others of Reading are settings here, such as `model` and `instruction`.
READ_HERE = READING_RULES.keys() - Settings.model_fields.keys()


class LocalReranker:
    """A model in this process, shared by all threads and event loops that call; their documents are batched together.

    Takes the service's settings by name, such as `model`, `engine`, `device`, `precision`, `threads`, `instruction`,
    `first_stage`, `keep`, `overflow` and `request_timeout_s`, and how documents are read unless a call says otherwise:
    `score_mode`, `max_tokens_per_doc`, `max_chunks_per_doc`, `overlap_tokens`, `truncation_side`, `rank_fields`,
    `on_deadline`, `on_item_error`, `no_cache` and `no_store`. Settings that are not given come from the environment.
    With the setting `models` a call's `model` chooses; an unknown name gets the first, unless `strict_model` is set.
    Copies share them; a pickle loads them anew.
    Raises ConfigurationError or ValueError where the model cannot be loaded as asked.
    """

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - Settings and Reading check
        self._arguments = dict(settings)
        reading = cast("ReadingArguments", {name: settings.pop(name) for name in READ_HERE if name in settings})
        self._defaults = Reading(**reading)
        check(self._defaults, READING_RULES)
        checked = Settings(**settings)
        self._timeout_s = checked.request_timeout_s
        self._rules = _without_limits(job_rules(checked))
        self._device, self._cache = Device(), open_cache(cache_options(checked))
        self._models = ServedModels(strict=checked.strict_model)
        for model in Host(checked, self._device, self._cache, self._models.first_stages).load_all():
            self._models.add(model)
        self._device.start()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="local-reranker", daemon=True)
        self._thread.start()
        self._process = os.getpid()
        self._closed = False

    def rerank(self, query: str, documents: Sequence[Document], **asked: Unpack[RerankArguments]) -> RerankResult:
        """The documents that are most relevant, best first; all of them without `top_n`. See RerankRequest."""
        request = RerankRequest(query, documents, **asked)
        return self._submit(request).result()

    async def arerank(
        self, query: str, documents: Sequence[Document], **asked: Unpack[RerankArguments]
    ) -> RerankResult:
        """As `rerank`, without blocking the event loop."""
        request = RerankRequest(query, documents, **asked)
        return await asyncio.wrap_future(self._submit(request))

    def models(self) -> tuple[ModelInfo, ...]:
        """What is loaded, the model that answers unless a call names one first."""
        return tuple([model_info(model_details(model, self._rules)) for model in self._models])

    def close(self) -> None:
        """Give the model back. Later calls raise RerankError."""
        if not self._closed:
            self._closed = True
            self._device.close()
            for model in self._models:
                model.reranker.close()
            asyncio.run_coroutine_threadsafe(self._stop_loop(), self._loop)
            self._thread.join(CLOSING_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self._arguments)

    def _submit(self, request: RerankRequest) -> Future[RerankResult]:
        if self._closed:
            raise RerankError("this LocalReranker is closed")
        if os.getpid() != self._process:
            raise RuntimeError("this LocalReranker was made before a fork; make one in each process")
        return asyncio.run_coroutine_threadsafe(self._rerank(request), self._loop)

    async def _rerank(self, request: RerankRequest) -> RerankResult:
        try:
            model = self._models.choose(request.model)
            if not request.documents:
                return RerankResult((), model=model.name)
            ranking = await model.reranker.rerank(self._job(request, model))
        except BentorankError as error:
            raise _as_client_error(error) from error
        return _as_result(ranking, model.name)

    def _run_loop(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    async def _stop_loop(self) -> None:
        """Stop when those who still wait have been told that it is over."""
        callers = asyncio.all_tasks(self._loop) - {asyncio.current_task(self._loop)}
        if callers:
            await asyncio.wait(callers, timeout=CLOSING_TIMEOUT_S)
        if self._cache is not None:
            await self._cache.close()
        # A task that has just ended hands its outcome to the waiting thread in the loop's next turn.
        await asyncio.sleep(0)
        self._loop.stop()

    def _job(self, request: RerankRequest, model: ServedModel) -> RerankJob:
        """What the service would make of it: its own dialect reads the body that the client would send."""
        settled = request.settled(self._defaults)
        body = request_body(settled)
        timeout_s = self._timeout_s if request.timeout_s is None else request.timeout_s
        read = read_as(NATIVE.body, orjson.loads(body.content))
        rules = self._rules.of_model(model.overflow, model.first_stage, model.keep)
        job = NATIVE.to_job(read, rules, time.monotonic() + timeout_s)
        warnings = body.warnings + self._models.warnings_of(request.model)
        return replace(job, warnings=warnings, cache=_cache_use(settled))


def _cache_use(request: RerankRequest) -> CacheUse:
    if request.no_store:
        return CacheUse.OFF
    return CacheUse.REFRESH if request.no_cache else CacheUse.USE


def _without_limits(rules: JobRules) -> JobRules:
    """The caller's own process needs no protection from its caller, but for that of `max_request_tokens`."""
    limits = replace(
        rules.limits, max_documents=sys.maxsize, max_document_chars=sys.maxsize, max_query_chars=sys.maxsize
    )
    return replace(rules, limits=limits)


def _as_result(ranking: Ranking, model: str) -> RerankResult:
    usage, timings = ranking.usage, ranking.timings_ms
    first_stage = None if usage.first_stage is None else FirstStageUsage(**asdict(usage.first_stage))
    return RerankResult(
        tuple([_as_ranked(ranked) for ranked in ranking.results]),
        model=model,
        usage=Usage(usage.tokens, usage.pairs, usage.cached_pairs, usage.truncated_documents, first_stage),
        warnings=ranking.warnings,
        timings_ms=Timings(timings.queue, timings.tokenize, timings.inference, timings.total, timings.first_stage),
    )


def _as_ranked(ranked: ScoredDocument) -> RankedDocument:
    span = Span(*ranked.spans[0].span) if ranked.spans else None
    score = -math.inf if ranked.relevance_score is None else ranked.relevance_score
    return RankedDocument(ranked.index, score, ranked.truncated, span, ranked.unscored)


def _as_client_error(error: BentorankError) -> RerankError:
    """The error that a client of the service would get."""
    kind: type[APIStatusError]
    match error:
        case DeadlineExceededError():
            return APITimeoutError(error.message)
        case QueueFullError():
            kind = RateLimitError
        case UnavailableError():
            kind = OverloadedError
        case InvalidRequestError():
            kind = BadRequestError
        case _:
            kind = APIStatusError
    return kind(error.message, status=error.status, code=error.code, retry_after_s=error.retry_after_s)


def _restore(kind: type[LocalReranker], arguments: dict[str, Any]) -> LocalReranker:
    return kind(**arguments)
