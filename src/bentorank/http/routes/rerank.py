"""What each reranking route does: parse, choose the dialect, rerank, answer. `app.py` says where they live."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response  # noqa: TC002 - FastAPI reads the annotations of handlers at run time

from bentorank.cascade.first_stage import cost_of
from bentorank.errors import BentorankError
from bentorank.http.dialects import score
from bentorank.http.dialects.dialect import Answer, JobRules
from bentorank.http.dialects.fields import keeps_end
from bentorank.http.dialects.lookalikes import unknown_field_warnings
from bentorank.http.dialects.native import to_job, to_native_response
from bentorank.http.dialects.native_request import RerankBatchBody, RerankBody
from bentorank.http.dialects.score import ScoreBody
from bentorank.http.dialects.selection import DIALECT_NAMES, select
from bentorank.http.edge.cache_control import cache_use
from bentorank.http.edge.deadline import deadline_of
from bentorank.http.edge.envelope import error_response, json_response
from bentorank.http.edge.key_budgets import Charge
from bentorank.http.edge.request_context import context_of
from bentorank.http.routes.body import read_as, read_json
from bentorank.http.routes.disconnect import ClientDisconnectedError, run_while_connected
from bentorank.http.routes.logged_work import asked_work, done_work, scored_work
from bentorank.http.routes.timing_headers import timing_headers, warning_header
from bentorank.observability import metrics
from bentorank.observability.metrics import CLIENT_CLOSED_REQUEST
from bentorank.observability.tracing.traced_work import TracedWork
from bentorank.ranking import present
from bentorank.reading import Terms
from bentorank.types import Overflow, ScoreMode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable
    from contextlib import AbstractContextManager

    from bentorank.http.edge.key_budgets import KeyBudgets
    from bentorank.http.service_state import ServiceState
    from bentorank.models import ServedModel
    from bentorank.observability.tracing.request_trace import RequestTrace
    from bentorank.types import Ranking, RerankJob

T = TypeVar("T")

# Enough to fill any device. Requests that end together are ranked together, while nobody else has a turn.
BATCH_DOCUMENTS_AT_ONCE = 8_000

BATCH, SCORE = "batch", "score"
# All of them, so that each is counted from the start.
REQUESTS_OF = {name: metrics.DIALECT_REQUESTS.labels(name) for name in (*DIALECT_NAMES, BATCH, SCORE)}


@dataclass(frozen=True, slots=True)
class RerankRoutes:
    """The handlers of every dialect over one service."""

    state: ServiceState
    rules: JobRules
    request_timeout_s: float
    budgets: KeyBudgets | None = None

    async def rerank(self, request: Request) -> Response:
        """Order documents by their relevance to a query, in the dialect that the body speaks."""
        return await _answer(request, self._rerank)

    async def rerank_batch(self, request: Request) -> Response:
        """Answer several rerank requests together; one that fails fails the batch, and the error names it."""
        return await _answer(request, self._rerank_batch)

    async def score(self, request: Request) -> Response:
        """Score pairs of texts, in their order."""
        return await _answer(request, self._score)

    async def _rerank(self, request: Request) -> Response:
        sent = await read_json(request, self.rules.limits)
        dialect = select(request.scope["path"], sent.object)
        REQUESTS_OF[dialect.name].inc()
        self.rules.limits.check_count(sent.object.get(dialect.documents_field), dialect.documents_field)
        body = read_as(dialect.body, sent.object)
        context = context_of(request.scope)
        name = getattr(body, "model", None) or context.model_id
        model = self.state.models.choose(name)
        job = dialect.to_job(body, self._rules_of(model), self._deadline(request, getattr(body, "deadline_ms", None)))
        of_body = sent.warnings + unknown_field_warnings(sent.object, dialect.body)
        job = _completed(job, request, of_body + self.state.models.warnings_of(name))
        del sent  # what it holds beside the job would wait for the answer too
        context.work = asked_work(dialect.name, model.name, len(job.documents))
        try:
            with model.users, self._charged(request, partial(model.reranker.forecast_cost, job)) as charge:
                ranking = await run_while_connected(request, self._run(model, job, context.trace))
                charge.used = cost_of(ranking.usage)
        except BentorankError as error:
            error.message = _renamed(error.message, dialect.documents_field)
            raise
        context.work |= done_work([ranking])
        told = ranking if dialect.tells_pruned(job) else ranking.without_pruned
        content = dialect.to_response(body, job, told, Answer(model.name))
        return json_response(content, headers=timing_headers(job, ranking, model.reranker.info.device))

    async def _rerank_batch(self, request: Request) -> Response:
        started = time.monotonic()
        sent = await read_json(request, self.rules.limits)
        REQUESTS_OF[BATCH].inc()
        is_list = isinstance(sent.value, list)
        requests = _requests_of({"requests": sent.value} if is_list else sent.object)
        self.rules.limits.check_batch(requests)
        with ExitStack() as users:
            works = [await self._read_nth(request, i, body, sent.warnings, users) for i, body in enumerate(requests)]
            responses = await self._run_all(request, works)
        latency_ms = round((time.monotonic() - started) * 1e3, 3)
        return json_response(responses if is_list else {"responses": responses, "latency_ms": latency_ms})

    async def _run_all(self, request: Request, works: list[_Nth]) -> list[orjson.Fragment]:
        """The answers to all requests of a batch."""
        context = context_of(request.scope)
        asked = [work.model for work in works]
        names = ",".join(dict.fromkeys(model.name for model in asked))
        context.work = asked_work(BATCH, names, sum(len(work.job.documents) for work in works))
        largest = max(len(work.job.documents) for work in works)
        turns = asyncio.Semaphore(max(1, BATCH_DOCUMENTS_AT_ONCE // largest))
        # The first for each model asks for all: once it is let in, the others are its own work. Made one by one: where
        # one fails, none is left behind that was never begun.
        runs = (
            self._run_nth(i, work, context.trace, turns, let_in=work.model in asked[:i]) for i, work in enumerate(works)
        )
        with self._charged(
            request, *[partial(work.model.reranker.forecast_cost, work.job) for work in works]
        ) as charge:
            rankings = await run_while_connected(request, _gather(runs))
            charge.used = sum(cost_of(ranking.usage) for ranking in rankings)
        context.work |= done_work(rankings)
        return [await _write_nth(work, ranking) for work, ranking in zip(works, rankings, strict=True)]

    async def _read_nth(
        self, request: Request, index: int, sent: object, warnings: tuple[str, ...], users: ExitStack
    ) -> _Nth:
        """One request of a batch, which is among its model's users as long as `users` is open."""
        await asyncio.sleep(0)  # other callers' turn: together the requests may have very many documents
        place = f"requests[{index}]"
        if isinstance(sent, dict):
            self.rules.limits.check_count(sent.get("documents"), f"{place}.documents")
            warnings += unknown_field_warnings(sent, RerankBody)
        body = read_as(RerankBody, sent, place)
        model = self.state.models.choose(body.model)
        warnings += self.state.models.warnings_of(body.model)
        users.enter_context(model.users)
        deadline = self._deadline(request, body.deadline_ms)
        job = to_job(body, self._rules_of(model), deadline, field_prefix=f"{place}.")
        return _Nth(model, body, _completed(job, request, warnings))

    async def _run_nth(
        self, index: int, work: _Nth, trace: RequestTrace | None, turns: asyncio.Semaphore, *, let_in: bool
    ) -> Ranking:
        try:
            async with turns:
                return await self._run(work.model, work.job, trace, index, let_in=let_in)
        except BentorankError as error:
            # Messages about one document start with its place, which belongs to this request.
            joint = "." if error.message.startswith("documents") else ": "
            error.message = f"requests[{index}]{joint}{error.message}"
            raise

    async def _run(
        self,
        model: ServedModel,
        job: RerankJob,
        trace: RequestTrace | None,
        index: int | None = None,
        *,
        let_in: bool = False,
    ) -> Ranking:
        metrics.DOCUMENT_COUNT.observe(len(job.documents))
        with TracedWork(trace, "rerank", len(job.documents), model.name, index) as work:
            ranking = await model.reranker.rerank(job, let_in=let_in)
            work.ranked(ranking)
        metrics.record_ranking(model.name, len(job.documents), ranking)
        return ranking

    async def _score(self, request: Request) -> Response:
        sent = await read_json(request, self.rules.limits)
        REQUESTS_OF[SCORE].inc()
        for field in (*score.QUERIES, *score.DOCUMENTS):
            self.rules.limits.check_count(sent.object.get(field), field)
        warnings = sent.warnings + unknown_field_warnings(sent.object, ScoreBody)
        body = read_as(ScoreBody, sent.object)
        pairs = score.to_pairs(body)
        for number, pair in enumerate(pairs):
            self.rules.limits.check_query(pair.query, f"queries[{number}]")
        self.rules.limits.check_texts([pair.passage for pair in pairs], "documents")
        model = self.state.models.choose(body.model)
        warnings += self.state.models.warnings_of(body.model)
        context = context_of(request.scope)
        context.work = asked_work(SCORE, model.name, len(pairs))
        overflow = Overflow.ERROR if body.truncate_prompt_tokens is None else Overflow.TRUNCATE
        tokens_of_text = max(body.truncate_prompt_tokens or 0, 0)
        keep_end = keeps_end(body.truncation_side)
        length = self.rules.length(overflow, max_tokens_per_doc=tokens_of_text or None, keep_end=keep_end)
        reranker = model.reranker
        terms = Terms(length, self._deadline(request, None), cache=cache_use(request.headers))
        with (
            model.users,
            self._charged(request, partial(reranker.forecast_tokens, pairs)) as charge,
            TracedWork(context.trace, "score", len(pairs), model.name) as work,
        ):
            scores = await run_while_connected(request, reranker.score_all(pairs, terms))
            work.scored(scores)
            charge.used = scores.tokens
        context.work |= scored_work(scores)
        mode = ScoreMode.LOGIT if body.use_activation is False else ScoreMode.PROBABILITY
        presented = [present(logit, mode, reranker.info.activation) for logit in scores.logits]
        content = score.to_response(presented, scores.tokens, Answer(model.name))
        return json_response(content, headers=warning_header(warnings))

    def _charged(self, request: Request, *forecasts: Callable[[], int]) -> AbstractContextManager[Charge]:
        """Charge the caller's key for what is read, of which each forecast tells a part; see KeyBudgets."""
        key = context_of(request.scope).key
        if self.budgets is None or key is None:
            return nullcontext(Charge(0))
        return self.budgets.charged(key, sum(forecast() for forecast in forecasts))

    def _rules_of(self, model: ServedModel) -> JobRules:
        """What the service lays down for requests that this model answers."""
        return self.rules.of_model(model.overflow, model.first_stage, model.keep)

    def _deadline(self, request: Request, deadline_ms: float | None) -> float:
        return deadline_of(
            request.headers, deadline_ms, began=context_of(request.scope).began, cap_s=self.request_timeout_s
        )


class _Nth(NamedTuple):
    """One request of a batch."""

    model: ServedModel
    body: RerankBody
    job: RerankJob


async def _write_nth(work: _Nth, ranking: Ranking) -> orjson.Fragment:
    """One answer of a batch, as JSON."""
    await asyncio.sleep(0)  # other callers' turn
    return orjson.Fragment(orjson.dumps(to_native_response(work.body, work.job, ranking, Answer(work.model.name))))


def _renamed(message: str, documents_field: str) -> str:
    """A message about `documents` under the name that the dialect has for them."""
    return documents_field + message.removeprefix("documents") if message.startswith("documents") else message


def _requests_of(batch: dict[str, object]) -> list[object]:
    """The requests of a batch that is an object. Raises InvalidRequestError if there are none."""
    requests = batch.get("requests")
    if not isinstance(requests, list) or not requests:
        read_as(RerankBatchBody, batch)
    assert isinstance(requests, list), "bug: the model takes what is no list"
    return requests


def _completed(job: RerankJob, request: Request, warnings: tuple[str, ...]) -> RerankJob:
    """With what no dialect's body says."""
    use = cache_use(request.headers)
    return replace(job, warnings=warnings, cache=use) if warnings or use is not job.cache else job


async def _answer(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    """Run a handler and account for it; an error of ours becomes its answer."""
    started = time.monotonic()
    # What the edge makes of a failure that nobody foresaw.
    status = BentorankError.status
    code: str | None = BentorankError.code
    try:
        with metrics.active_request():
            response, code = await _respond(request, handle)
        status = response.status_code
    finally:
        metrics.record_request(status, code, time.monotonic() - started)
    return response


async def _respond(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> tuple[Response, str | None]:
    """The answer, and the error's code if it is one."""
    try:
        return await handle(request), None
    except BentorankError as error:
        context = context_of(request.scope)
        context.error = error
        return error_response(error, context.request_id), error.code
    except (ClientDisconnectedError, ClientDisconnect):
        return json_response(None, status=CLIENT_CLOSED_REQUEST), None


async def _gather(runs: Iterable[Coroutine[object, object, T]]) -> list[T]:
    """All results in order; the first failure cancels the rest and is raised as itself."""
    tasks: list[asyncio.Task[T]] = []
    try:
        async with asyncio.TaskGroup() as group:
            for run in runs:
                tasks.append(group.create_task(run))
                await asyncio.sleep(0)  # other callers' turn: each begins by handling all of its documents
    except* BentorankError as failures:
        first = failures.exceptions[0]
        error = first
    else:
        return [task.result() for task in tasks]
    raise error
