"""What the HTTP layer knows of the running service: the models once loaded, and whether it is draining."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bentorank import __version__
from bentorank.errors import BentorankError
from bentorank.types import Pair

if TYPE_CHECKING:
    from bentorank.model_changes import ModelChanges
    from bentorank.models import ServedModel, ServedModels
    from bentorank.observability.tracing.pipeline import Tracing
    from bentorank.scheduling import Device

DOCS = "GET /docs"
PLAYGROUND = "GET /playground"
ENDPOINTS = {
    "POST /rerank": "order documents by their relevance to a query; TEI too",
    "POST /rerank/batch": "several rerank requests in one",
    "POST /v1/rerank": "Cohere v1, Jina, vLLM, Xinference; Voyage",
    "POST /v2/rerank": "Cohere v2",
    "POST /v1/reranking": "Mixedbread",
    "POST /v1/ranking": "NVIDIA NIM",
    "POST /infinity/rerank": "Infinity",
    "POST /voyage/rerank": "Voyage, where nothing but the path tells",
    "POST /score": "vLLM's scores of text pairs",
    "POST /bentoml/score": "logits of text pairs, for BentoML clients (method `score`)",
    "GET /v1/models": "the models that are served",
    "GET /info": "the default model and limits, as TEI tells them, and all models",
    "GET /health": "status, model_loaded, timestamp",
    "GET /livez": "liveness probe",
    "GET /readyz": "readiness probe",
    "GET /metrics": "Prometheus metrics",
    DOCS: "interactive API documentation",
    PLAYGROUND: "a page to try it on",
}

# A device that has failed this many batches in a row is not ready, whatever it says.
UNREADY_AFTER_FAILED_BATCHES = 5
PROBE_TIMEOUT_S = 1.0


@dataclass(slots=True)
class ServiceState:
    """Written by the service's lifecycle, read by the routes; lives on one event loop.

    Until all `models` are loaded and warm, there are none. Where there are several, each has `answered` through its
    queue before the service is ready. `changes` are made where there is an admin.
    """

    models: ServedModels
    docs: bool = True
    playground: bool = True
    draining: bool = False
    tracing: Tracing | None = None
    answered: set[str] = field(default_factory=set)
    changes: ModelChanges | None = None

    def begin_draining(self) -> None:
        """From now on no new requests are wanted."""
        self.draining = True

    def take_in(self, model: ServedModel) -> None:
        """Serve one more, which has answered; those that are served already need not prove it again."""
        self.answered |= {*self.models.names, model.name}
        self.models.add(model)

    @property
    def is_loaded(self) -> bool:
        """Whether models are in memory and warm."""
        return len(self.models) > 0

    @property
    def is_alive(self) -> bool:
        """Whether the model threads live and are not stuck."""
        return self.is_loaded and self._device.is_alive

    @property
    def is_ready(self) -> bool:
        """Whether new requests are wanted: loaded, alive, not draining, and each model has answered and not failed."""
        return self.is_loaded and self.is_alive and not self.draining and not self._to_be_asked()

    @property
    def why_not_ready(self) -> str:
        """One sentence for a caller who finds the service not ready."""
        if not self.is_loaded:
            return "the model is loading"
        if self.draining:
            return "the service is stopping"
        if not self.is_alive:
            return "the model's thread is stuck"
        failing = [model.name for model in self._to_be_asked()]
        return "the engine has been failing" if len(self.models) == 1 else f"not answering: {', '.join(failing)}"

    async def check_ready(self) -> bool:
        """`is_ready`, after trying again what has been failing: without traffic nobody else would."""
        if self.is_alive:
            await asyncio.gather(*map(self._ask, self._to_be_asked()))
        return self.is_ready

    async def _ask(self, model: ServedModel) -> None:
        probe = [Pair("is the device", "well again")]
        with suppress(BentorankError):
            (outcome,) = await model.reranker.score(probe, time.monotonic() + PROBE_TIMEOUT_S)
            if isinstance(outcome, float):
                self.answered.add(model.name)

    def _to_be_asked(self) -> list[ServedModel]:
        """The models that have not answered yet, or have been failing."""
        is_alone = len(self.models) == 1
        return [
            model
            for model in self.models
            if model.reranker.scheduler.consecutive_failed_batches >= UNREADY_AFTER_FAILED_BATCHES
            or not (is_alone or model.name in self.answered)
        ]

    @property
    def _device(self) -> Device:
        return self.models.default.reranker.scheduler.device

    def describe(self) -> dict[str, Any]:
        """Name, version, what is loaded, and endpoints."""
        default = self.models.default
        info = default.reranker.info
        absent = [route for route, served in ((DOCS, self.docs), (PLAYGROUND, self.playground)) if not served]
        return {
            "name": "bentorank",
            "version": __version__,
            "model": default.name,
            "models": self.models.names,
            "engine": info.engine,
            "device": info.device,
            "precision": info.precision,
            "max_tokens": info.max_tokens,
            "endpoints": {route: what for route, what in ENDPOINTS.items() if route not in absent},
        }
