"""The BentoML service: resources, traffic, lifecycle, the mounted HTTP app and the typed `score`. Wiring only."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import bentoml
from _bentoml_sdk import Service
from bentoml.exceptions import BentoMLException
from pydantic import BaseModel, Field

from bentorank import __version__
from bentorank.cache import open_cache
from bentorank.child_process import undo_unfinished
from bentorank.engines.protocol import DeviceLostError
from bentorank.errors import BentorankError, ConfigurationError
from bentorank.hosting import Host
from bentorank.http.about.catalogue import CatalogueRoutes
from bentorank.http.about.probes import ProbeRoutes
from bentorank.http.app import Routes, build_app, methods_of
from bentorank.http.edge.body_limit import BodyLimits
from bentorank.http.edge.connection.protocol import limit_connections
from bentorank.http.edge.cors import with_cors
from bentorank.http.edge.edge import Edge
from bentorank.http.playground.files import PlaygroundFiles, read_files
from bentorank.http.routes.admin import AdminRoutes
from bentorank.http.routes.bentoml_score import BENTOML_SCORE_PATH, ScoreGate
from bentorank.http.routes.rerank import RerankRoutes
from bentorank.http.service_state import ServiceState
from bentorank.model_changes import ModelChanges
from bentorank.models import ServedModels
from bentorank.observability import metrics
from bentorank.observability.logging.configuring import SUPERVISOR, configure_logging
from bentorank.observability.reporting import report_for_ever, report_last, report_readiness_for_ever
from bentorank.observability.start_up import say_what_is_served, say_what_memory_is_taken
from bentorank.observability.tracing.bentoml_middleware import leave_out_tracing
from bentorank.process import exit_status
from bentorank.process.accepting import accept_fairly
from bentorank.process.garbage import settle_garbage_collector
from bentorank.process.heartbeat import beat_for_ever
from bentorank.process.privacy import forbid_usage_tracking
from bentorank.process.stall import leave_when_stalled
from bentorank.process.stopping import serving_uvicorn, stop_gracefully_on_sigterm
from bentorank.process.stopping_early import leaving_on_sigterm
from bentorank.process.supervision import stop_when_orphaned
from bentorank.process.working_folder import return_to_working_folder
from bentorank.scheduling import Device
from bentorank.settings import read_settings
from bentorank.types import Pair
from bentorank.wiring import (
    access_log,
    admin_key_ring,
    bentoml_config,
    cache_options,
    check_gpus,
    connection_limits,
    finish_within_s,
    job_rules,
    key_budgets,
    key_ring,
    log_options,
    serving,
    stop_within_s,
    tracing_options,
)

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from bentorank.models import ServedModel
    from bentorank.observability.tracing.options import TracingOptions


logger = logging.getLogger(__name__)


class CannotServeError(ConfigurationError, BentoMLException):
    """One that `bentoml serve` tells in a sentence, as `bentorank serve` does any: it shows others with a traceback."""

    def __init__(self, error: ConfigurationError) -> None:
        super().__init__(error.message)


def _process_name() -> str:
    """In the log."""
    index = bentoml.server_context.worker_index
    return SUPERVISOR if index is None else f"worker {index}"


forbid_usage_tracking()
return_to_working_folder()
try:
    settings = read_settings()
    configure_logging(log_options(settings), _process_name())
    limit_connections(connection_limits(settings))
    keys = key_ring(settings)
    admin_keys = admin_key_ring(settings)
    budgets = key_budgets(settings)
    traced = tracing_options(settings)
except ConfigurationError as unusable:
    raise CannotServeError(unusable) from None
rules = job_rules(settings)
playground = read_files() if settings.playground else {}
state = ServiceState(
    ServedModels(strict=settings.strict_model, changing=settings.admin_key is not None),
    docs=settings.docs,
    playground=settings.playground,
)
app = build_app(
    Routes(
        RerankRoutes(state, rules, settings.request_timeout_s, budgets),
        CatalogueRoutes(
            state,
            rules,
            needs_key=keys.is_required,
            tokenizer_threads=settings.tokenizer_threads,
            max_body_bytes=settings.max_body_bytes,
            max_request_tokens=settings.max_request_tokens,
        ),
        ProbeRoutes(state),
        None if admin_keys is None else AdminRoutes(state, rules.limits),
    ),
    docs=settings.docs,
)


class TextPair(BaseModel):
    """One query and one passage, as `score` takes them."""

    query: str = Field(max_length=settings.max_query_chars)
    passage: str = Field(max_length=settings.max_document_chars)


class ScoreRefusedError(BentoMLException):
    """An error of ours in the form whose HTTP status BentoML keeps."""

    def __init__(self, error: BentorankError) -> None:
        super().__init__(error.message, error_code=HTTPStatus(error.status))


class EdgeService(Service[Any]):
    """A BentoML service whose whole ASGI application, BentoML's middleware included, lies behind our edge."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:  # noqa: FBT001, FBT002 - BentoML's signature
        """BentoML's application behind the edge."""
        inner = super().to_asgi(is_main)
        leave_out_tracing(inner)
        if traced is not None:
            _begin_tracing(traced)
        gate = ScoreGate(inner, BENTOML_SCORE_PATH, state, rules.limits, settings.request_timeout_s, budgets)
        edge = Edge(
            PlaygroundFiles(gate, playground) if playground else gate,
            methods=methods_of(app, BENTOML_SCORE_PATH) | dict.fromkeys(playground, frozenset({"GET"})),
            keys=keys,
            admin_keys=admin_keys,
            bodies=BodyLimits(settings.max_body_bytes, settings.max_bodies_bytes),
            access_log=access_log(settings),
            tracer=None if state.tracing is None else state.tracing.requests,
        )
        return with_cors(edge, settings.cors_origins)


@bentoml.service(name="bentorank", service_class=EdgeService, **bentoml_config(settings))
@bentoml.asgi_app(app, path="/")
class BentoRank:
    """Reranks passages with a cross-encoder."""

    def __init__(self) -> None:
        """Load and warm the model; BentoML binds the socket first, so probes wait until this returns."""
        if _has_supervisor():
            stop_when_orphaned(grace_s=stop_within_s(settings))
        worker_index = bentoml.server_context.worker_index or 1
        began = time.monotonic()
        metrics.record_start()
        self._device = Device(on_death=_exit_for_a_new_process)
        try:
            self._cache = open_cache(cache_options(settings))
            host = Host(settings, self._device, self._cache, state.models.first_stages, worker_index=worker_index)
            with leaving_on_sigterm():
                models = host.load_all()
        except ConfigurationError as error:
            _give_up_starting(error)
            raise
        self._device.start()
        settle_garbage_collector()
        for model in models:
            state.models.add(model)
            metrics.record_model(__version__, model.name, model.reranker.info)
        if admin_keys is not None:
            state.changes = ModelChanges(
                state.models,
                load=host.load_beside,
                begin=_begin_serving,
                end=_end_serving,
                answered_within_s=finish_within_s(settings),
            )
        if worker_index == 1:
            say_what_is_served(serving(settings, models, keys.count), time.monotonic() - began)
        else:
            logger.info("ready: worker %d, as worker 1", worker_index)
        say_what_memory_is_taken(models[0].reranker.info, sharing=settings.workers_per_gpu)

    @bentoml.on_deployment
    def look_after_workers() -> None:
        """Put our supervisor in the place of BentoML's; runs in the process that will be it."""
        from bentorank.process.supervisor import supervise_workers  # noqa: PLC0415 - workers need none of it

        try:
            check_gpus(settings)
        except ConfigurationError as unusable:
            raise CannotServeError(unusable) from None
        supervise_workers(settings.worker_count, grace_s=stop_within_s(settings))

    @bentoml.on_startup
    async def take_connections(self) -> None:
        """Share them with other workers; from SIGTERM on `/readyz` is 503, and no more are taken after `drain_s`."""
        if (server := serving_uvicorn()) is not None:
            self._accepting = asyncio.create_task(accept_fairly(server, bentoml.server_context.worker_index or 1))
        stop_gracefully_on_sigterm(settings.drain_s, state.begin_draining)

    @bentoml.on_startup
    async def start_reporting(self) -> None:
        """Keep the metrics of queue, batches and readiness fresh."""
        self._reporting = asyncio.create_task(report_for_ever(state.models, self._cache))
        self._looking = asyncio.create_task(report_readiness_for_ever(state.check_ready))

    @bentoml.on_startup
    async def connect_cache(self) -> None:
        """Connect to Redis ahead, if there is one; nobody waits for it."""
        if self._cache is not None:
            self._connecting = asyncio.create_task(self._cache.connect())

    @bentoml.on_startup
    async def show_life(self) -> None:
        """Tell the supervisor that this worker lives, and leave if the model does not."""
        self._beating = asyncio.create_task(beat_for_ever())
        self._watching = asyncio.create_task(leave_when_stalled(self._device))

    @bentoml.on_shutdown
    async def close(self) -> None:
        """Let the running batch finish and end the model thread; give back the cache's connections; send last spans."""
        undo_unfinished()  # uvicorn ends by the signal that it was sent
        if self._cache is not None:
            await self._cache.close()
        self._device.close()
        for model in state.models:
            model.reranker.close()
        if state.tracing is not None:
            await asyncio.to_thread(state.tracing.close)

    async def __is_alive__(self) -> bool:
        return state.is_alive

    async def __is_ready__(self) -> bool:
        return await state.check_ready()

    @bentoml.api(route=BENTOML_SCORE_PATH, batchable=True, max_batch_size=512, max_latency_ms=60_000)
    async def score(self, pairs: list[TextPair]) -> list[float | None]:
        """Relevance logits of (query, passage) pairs; null for a pair that the model could not score.

        The pairs share the scheduler with every other route. An error is a value here, since BentoML merges calls of
        several clients into one and an exception would fail them all.
        """
        deadline = time.monotonic() + settings.request_timeout_s
        try:
            reranker = state.models.default.reranker
            outcomes = await reranker.score([Pair(pair.query, pair.passage) for pair in pairs], deadline)
        except BentorankError as error:
            metrics.record_refusal(error)
            raise ScoreRefusedError(error) from None
        return [outcome if isinstance(outcome, float) else None for outcome in outcomes]


def _begin_tracing(options: TracingOptions) -> None:
    """In a worker alone: it starts a thread."""
    from bentorank.observability.tracing.pipeline import Tracing  # noqa: PLC0415 - who does not trace pays for none of it

    try:
        state.tracing = Tracing(options)
    except ConfigurationError as error:
        _give_up_starting(error)
        raise


def _begin_serving(model: ServedModel) -> None:
    """One more than at the start."""
    state.take_in(model)
    metrics.record_model(__version__, model.name, model.reranker.info)


def _end_serving(model: ServedModel) -> None:
    """One that has answered its last request."""
    report_last(model)
    metrics.record_model_left(__version__, model.name, model.reranker.info)


def _has_supervisor() -> bool:
    return bentoml.server_context.worker_index is not None


def _exit_for_a_new_process(error: BaseException) -> None:
    """Leave at once, without clean-up that could hang: the supervisor starts a new worker."""
    is_lost = isinstance(error, DeviceLostError)
    os._exit(exit_status.DEVICE_LOST if is_lost else exit_status.MODEL_THREAD_DIED)


def _give_up_starting(error: ConfigurationError) -> None:
    """Say why, and let the supervisor decide: it stops unless other workers live."""
    logger.critical("cannot start: %s", error)
    if _has_supervisor():
        # An exception would be logged three times over, each with its traceback.
        os._exit(exit_status.CANNOT_START)
