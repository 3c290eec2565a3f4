"""What each native route does: parse, rerank, answer. The app in `app.py` says where they live."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response  # noqa: TC002 - FastAPI reads the annotations of handlers at run time

from bentorank.errors import BentorankError, UnavailableError
from bentorank.http.body import read_body
from bentorank.http.deadline import deadline_of
from bentorank.http.disconnect import ClientDisconnectedError, run_while_connected
from bentorank.http.envelope import error_response, json_response
from bentorank.http.native import to_job, to_response
from bentorank.http.request_context import context_of
from bentorank.http.requests import RerankBatchBody, RerankBody
from bentorank.observability import metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from bentorank.http.limits import RequestLimits
    from bentorank.http.service_state import ServiceState
    from bentorank.types import RerankJob

T = TypeVar("T")

# What nginx logs for a caller who left before the answer; nobody receives it.
CLIENT_CLOSED_REQUEST = 499


@dataclass(frozen=True, slots=True)
class NativeRoutes:
    """The handlers of the native API over one service."""

    state: ServiceState
    limits: RequestLimits
    request_timeout_s: float

    async def rerank(self, request: Request) -> Response:
        """Order documents by their relevance to a query."""
        return await _answer(request, self._rerank)

    async def rerank_batch(self, request: Request) -> Response:
        """Answer several rerank requests together; one that fails fails the batch, and the error names it."""
        return await _answer(request, self._rerank_batch)

    async def _rerank(self, request: Request) -> dict[str, Any]:
        body = await read_body(request, RerankBody)
        job = to_job(body, self.limits, self._deadline(request, body.deadline_ms))
        return await run_while_connected(request, self._run(body, job))

    async def _rerank_batch(self, request: Request) -> dict[str, Any]:
        started = time.monotonic()
        batch = await read_body(request, RerankBatchBody)
        self.limits.check_batch(batch.requests)
        jobs = [
            to_job(body, self.limits, self._deadline(request, body.deadline_ms), field_prefix=f"requests[{i}].")
            for i, body in enumerate(batch.requests)
        ]
        runs = [self._run_nth(i, body, job) for i, (body, job) in enumerate(zip(batch.requests, jobs, strict=True))]
        responses = await run_while_connected(request, _gather(runs))
        latency_ms = round((time.monotonic() - started) * 1e3, 3)
        return {"responses": responses, "latency_ms": latency_ms}

    async def _run_nth(self, index: int, body: RerankBody, job: RerankJob) -> dict[str, Any]:
        try:
            return await self._run(body, job)
        except BentorankError as error:
            # Messages about one document start with its place, which belongs to this request.
            joint = "." if error.message.startswith("documents") else ": "
            error.message = f"requests[{index}]{joint}{error.message}"
            raise

    async def _run(self, body: RerankBody, job: RerankJob) -> dict[str, Any]:
        metrics.DOCUMENT_COUNT.observe(len(job.documents))
        ranking = await self.state.reranker.rerank(job)
        metrics.TRUNCATED_DOCUMENTS.inc(ranking.usage.truncated_documents)
        return to_response(
            ranking,
            job,
            model=self.state.model_name,
            return_documents=body.return_documents is not False,
        )

    def _deadline(self, request: Request, deadline_ms: float | None) -> float:
        return deadline_of(request.headers, deadline_ms, cap_s=self.request_timeout_s)

    async def service(self, _request: Request) -> Response:
        """What this service is and where its endpoints are."""
        return json_response(self.state.describe())

    async def health(self, _request: Request) -> Response:
        """Whether the model is loaded and its thread alive."""
        if not self.state.is_ready:
            raise UnavailableError(self.state.why_not_ready, retry_after_s=1)
        body = {
            "status": "healthy",
            "model_loaded": self.state.is_loaded,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        return json_response(body)


async def _answer(request: Request, handle: Callable[[Request], Awaitable[dict[str, Any]]]) -> Response:
    """Run a handler and account for it; an error of ours becomes its answer."""
    started = time.monotonic()
    with metrics.active_request():
        try:
            response = json_response(await handle(request))
            status = response.status_code
        except BentorankError as error:
            context = context_of(request.scope)
            context.error = error
            response = error_response(error, context.request_id)
            status = error.status
        except (ClientDisconnectedError, ClientDisconnect):
            status = CLIENT_CLOSED_REQUEST
            response = json_response(None, status=status)
    metrics.record_request(status, time.monotonic() - started)
    return response


async def _gather(runs: list[Coroutine[object, object, T]]) -> list[T]:
    """All results in order; the first failure cancels the rest and is raised as itself."""
    tasks: list[asyncio.Task[T]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run) for run in runs]
    except* BentorankError as failures:
        first = failures.exceptions[0]
        error = first
    else:
        return [task.result() for task in tasks]
    raise error
