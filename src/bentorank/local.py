"""Reranking in the caller's own process: the interface of bentorank-client's RerankClient, without a service."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from bentorank_client import (
    APIStatusError,
    APITimeoutError,
    BadRequestError,
    OverloadedError,
    RankedDocument,
    RateLimitError,
    RerankError,
    RerankRequest,
    RerankResult,
    Usage,
)

from bentorank.engines.loading import load_engine
from bentorank.errors import (
    BentorankError,
    DeadlineExceededError,
    InvalidRequestError,
    UnavailableError,
)
from bentorank.errors import OverloadedError as QueueFullError
from bentorank.reranker import Reranker
from bentorank.scheduling import Scheduler
from bentorank.settings import Settings
from bentorank.types import Document, RerankJob, ScoreMode
from bentorank.wiring import engine_options, job_rules, scheduler_limits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from bentorank.types import Ranking


CLOSING_TIMEOUT_S = 5.0


class LocalReranker:
    """A model in this process, shared by all threads and event loops that call; their documents are batched together.

    Takes the service's settings by name, such as `model`, `engine`, `device`, `precision`, `threads`, `overflow` and
    `request_timeout_s`; those not given come from the environment. Copies share the model; a pickle loads it anew.
    Raises ConfigurationError or ValueError where the model cannot be loaded as asked.
    """

    def __init__(self, *, score_mode: str = "probability", **settings: Any) -> None:  # noqa: ANN401 - Settings checks
        self._arguments = {"score_mode": score_mode, **settings}
        self._mode = ScoreMode(score_mode)
        checked = Settings(**settings)
        self._timeout_s = checked.request_timeout_s
        self._length = job_rules(checked).length()
        engine = load_engine(engine_options(checked, worker_index=1))
        engine.warm_up()
        scheduler = Scheduler(engine, scheduler_limits(checked, engine.info))
        scheduler.start()
        self._reranker = Reranker(
            engine,
            scheduler,
            tokenizer_threads=checked.tokenizer_threads,
            max_request_tokens=checked.max_request_tokens,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="local-reranker", daemon=True)
        self._thread.start()
        self._process = os.getpid()
        self._closed = False

    def rerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        score_threshold: float | None = None,
    ) -> RerankResult:
        """The documents that are most relevant, best first; all of them without `top_n`."""
        request = RerankRequest(query, documents, top_n, score_threshold)
        return self._submit(request).result()

    async def arerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        score_threshold: float | None = None,
    ) -> RerankResult:
        """As `rerank`, without blocking the event loop."""
        request = RerankRequest(query, documents, top_n, score_threshold)
        return await asyncio.wrap_future(self._submit(request))

    def close(self) -> None:
        """Give the model back. Later calls raise RerankError."""
        if not self._closed:
            self._closed = True
            self._reranker.close()
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
        if not request.documents:
            return RerankResult((), model=self._reranker.info.model)
        try:
            if not request.query.strip():
                raise InvalidRequestError("query: must not be blank", field="query")
            ranking = await self._reranker.rerank(self._job(request))
        except BentorankError as error:
            raise _as_client_error(error) from error
        return _as_result(ranking, self._reranker.info.model)

    def _run_loop(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    async def _stop_loop(self) -> None:
        """Stop when those who still wait have been told that it is over."""
        callers = asyncio.all_tasks(self._loop) - {asyncio.current_task(self._loop)}
        if callers:
            await asyncio.wait(callers, timeout=CLOSING_TIMEOUT_S)
        # A task that has just ended hands its outcome to the waiting thread in the loop's next turn.
        await asyncio.sleep(0)
        self._loop.stop()

    def _job(self, request: RerankRequest) -> RerankJob:
        return RerankJob(
            query=request.query,
            documents=tuple(Document(text) for text in request.documents),
            top_n=request.top_n,
            score_mode=self._mode,
            score_threshold=request.score_threshold,
            deadline=time.monotonic() + self._timeout_s,
            length=self._length,
        )


def _as_result(ranking: Ranking, model: str) -> RerankResult:
    usage = ranking.usage
    return RerankResult(
        tuple(RankedDocument(ranked.index, ranked.relevance_score, ranked.truncated) for ranked in ranking.results),
        model=model,
        usage=Usage(usage.tokens, usage.pairs, usage.cached_pairs, usage.truncated_documents),
    )


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
