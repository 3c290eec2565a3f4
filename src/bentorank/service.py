"""The BentoML service: resources, traffic, lifecycle, the mounted HTTP app and the typed `score`. Wiring only."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import bentoml
from _bentoml_sdk import Service
from bentoml.exceptions import BentoMLException
from pydantic import BaseModel, Field

from bentorank.engines.loading import load_engine
from bentorank.errors import BentorankError, ConfigurationError
from bentorank.http.about.catalogue import CatalogueRoutes
from bentorank.http.about.probes import ProbeRoutes
from bentorank.http.app import Routes, build_app, methods_of
from bentorank.http.edge.connection.protocol import limit_connections
from bentorank.http.edge.cors import with_cors
from bentorank.http.edge.edge import Edge
from bentorank.http.routes.bentoml_score import ScoreGate
from bentorank.http.routes.rerank import RerankRoutes
from bentorank.http.service_state import ServiceState
from bentorank.observability.logging import configure_logging
from bentorank.observability.reporting import report_for_ever
from bentorank.observability.tracing import leave_out_tracing
from bentorank.process.garbage import settle_garbage_collector
from bentorank.process.supervision import stop_when_orphaned
from bentorank.reranker import Reranker
from bentorank.scheduling import Scheduler
from bentorank.settings import read_settings
from bentorank.types import Pair
from bentorank.wiring import bentoml_config, connection_limits, engine_options, job_rules, key_ring, scheduler_limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from starlette.types import ASGIApp

# BSD's EX_SOFTWARE: the model thread died, and only a new process can help.
EXIT_MODEL_THREAD_DIED = 70
# BSD's EX_CONFIG: the settings ask for what cannot be had.
EXIT_CANNOT_START = 78
SCORE_ROUTE = "/bentoml/score"

logger = logging.getLogger(__name__)

settings = read_settings()
configure_logging(settings.log_level)
limit_connections(connection_limits(settings))
keys = key_ring(settings)
rules = job_rules(settings)
state = ServiceState(settings.served_model_name, strict_model=settings.strict_model, docs=settings.docs)
app = build_app(
    Routes(
        RerankRoutes(state, rules, settings.request_timeout_s),
        CatalogueRoutes(state, rules, needs_key=keys.is_required, tokenizer_threads=settings.tokenizer_threads),
        ProbeRoutes(state),
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
        if not settings.tracing:
            leave_out_tracing(inner)
        edge = Edge(
            ScoreGate(inner, SCORE_ROUTE, state, rules.limits, settings.request_timeout_s),
            methods=methods_of(app, SCORE_ROUTE),
            keys=keys,
            max_body_bytes=settings.max_body_bytes,
            access_log=settings.access_log,
        )
        return with_cors(edge, settings.cors_origins)


@bentoml.service(name="bentorank", service_class=EdgeService, **bentoml_config(settings))
@bentoml.asgi_app(app, path="/")
class BentoRank:
    """Reranks passages with a cross-encoder."""

    def __init__(self) -> None:
        """Load and warm the model; BentoML binds the socket first, so probes wait until this returns."""
        worker_index = bentoml.server_context.worker_index or 1
        try:
            engine = load_engine(engine_options(settings, worker_index))
        except ConfigurationError as error:
            _give_up_starting(error)
            raise
        engine.warm_up()
        scheduler = Scheduler(engine, scheduler_limits(settings, engine.info), on_death=_exit_for_a_new_process)
        scheduler.start()
        settle_garbage_collector()
        state.loaded = Reranker(
            engine,
            scheduler,
            tokenizer_threads=settings.tokenizer_threads,
            max_request_tokens=settings.max_request_tokens,
        )

    @bentoml.on_startup
    async def drain_on_sigterm(self) -> None:
        """On SIGTERM turn `/readyz` to 503 at once and serve on for `drain_s`; a second SIGTERM stops."""
        loop = asyncio.get_running_loop()
        stop_server = cast("Callable[[int, FrameType | None], None]", signal.getsignal(signal.SIGTERM))

        def drain(signum: int, frame: FrameType | None) -> None:
            wait_s = 0.0 if state.draining else settings.drain_s
            state.draining = True
            # Straight from the signal handler the event loop would only notice at its next event.
            loop.call_soon_threadsafe(loop.call_later, wait_s, stop_server, signum, frame)

        signal.signal(signal.SIGTERM, drain)

    @bentoml.on_startup
    async def start_reporting(self) -> None:
        """Keep the metrics of queue and batches fresh."""
        self._reporting = asyncio.create_task(report_for_ever(state.reranker.scheduler))

    @bentoml.on_startup
    async def watch_supervisor(self) -> None:
        """Stop when the supervisor was killed."""
        self._watching = asyncio.create_task(stop_when_orphaned())

    @bentoml.on_shutdown
    def close(self) -> None:
        """Let the running batch finish and end the model thread."""
        if state.loaded is not None:
            state.loaded.close()

    async def __is_alive__(self) -> bool:
        return state.is_alive

    async def __is_ready__(self) -> bool:
        return await state.check_ready()

    @bentoml.api(route=SCORE_ROUTE, batchable=True, max_batch_size=512, max_latency_ms=60_000)
    async def score(self, pairs: list[TextPair]) -> list[float | None]:
        """Relevance logits of (query, passage) pairs; null for a pair that the model could not score.

        The pairs share the scheduler with every other route. An error is a value here, since BentoML merges calls of
        several clients into one and an exception would fail them all.
        """
        deadline = time.monotonic() + settings.request_timeout_s
        try:
            outcomes = await state.reranker.score([Pair(pair.query, pair.passage) for pair in pairs], deadline)
        except BentorankError as error:
            raise ScoreRefusedError(error) from None
        return [outcome if isinstance(outcome, float) else None for outcome in outcomes]


def _exit_for_a_new_process() -> None:
    """Leave at once, without clean-up that could hang: the supervisor starts a new worker."""
    os._exit(EXIT_MODEL_THREAD_DIED)


def _give_up_starting(error: ConfigurationError) -> None:
    """Say why, and stop the supervisor: it would start a new worker for ever, and none could do better."""
    logger.critical("cannot start: %s", error)
    if bentoml.server_context.worker_index is not None:
        os.kill(os.getppid(), signal.SIGTERM)
        # An exception would be logged three times over, each with its traceback.
        os._exit(EXIT_CANNOT_START)
