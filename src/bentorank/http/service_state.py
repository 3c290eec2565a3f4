"""What the HTTP layer knows of the running service: the reranker once loaded, and whether it is draining."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bentorank import __version__
from bentorank.errors import BentorankError, ModelNotFoundError, UnavailableError
from bentorank.types import Pair

if TYPE_CHECKING:
    from bentorank.observability.tracing.pipeline import Tracing
    from bentorank.reranker import Reranker

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
    "GET /v1/models": "the model that is loaded",
    "GET /info": "the same, and limits, as TEI tells them",
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
    """Written by the service's lifecycle, read by the routes; lives on one event loop."""

    served_model_name: str | None
    strict_model: bool = False
    docs: bool = True
    playground: bool = True
    draining: bool = False
    loaded: Reranker | None = None
    tracing: Tracing | None = None

    def begin_draining(self) -> None:
        """From now on no new requests are wanted."""
        self.draining = True

    @property
    def reranker(self) -> Reranker:
        """The reranker. Raises UnavailableError while the model is loading."""
        if self.loaded is None:
            raise UnavailableError("the model is loading", retry_after_s=1)
        return self.loaded

    @property
    def model_name(self) -> str:
        """The name that answers carry."""
        return self.served_model_name or self.reranker.info.model

    def check_model(self, name: str | None) -> None:
        """Raises ModelNotFoundError where names are taken strictly and this is not the name of the loaded model."""
        if self.strict_model and name and name not in (self.model_name, self.reranker.info.model):
            raise ModelNotFoundError("model: not loaded here; GET /v1/models names the one that is", field="model")

    @property
    def is_loaded(self) -> bool:
        """Whether the model is in memory and warm."""
        return self.loaded is not None

    @property
    def is_alive(self) -> bool:
        """Whether the model thread lives and is not stuck."""
        return self.loaded is not None and self.loaded.scheduler.is_alive

    @property
    def is_ready(self) -> bool:
        """Whether new requests are wanted: loaded, alive, not draining, and the device has not been failing."""
        return self.loaded is not None and self.is_alive and not self.draining and not self._has_been_failing

    @property
    def why_not_ready(self) -> str:
        """One sentence for a caller who finds the service not ready."""
        if self.loaded is None:
            return "the model is loading"
        if self.draining:
            return "the service is stopping"
        return "the model's thread is stuck" if not self.is_alive else "the engine has been failing"

    async def check_ready(self) -> bool:
        """`is_ready`, after trying the device once more if it has been failing: without traffic nobody else would."""
        if self.loaded is not None and self._has_been_failing and self.is_alive:
            probe = [Pair("is the device", "well again")]
            with suppress(BentorankError):
                await self.loaded.score(probe, time.monotonic() + PROBE_TIMEOUT_S)
        return self.is_ready

    @property
    def _has_been_failing(self) -> bool:
        failed = 0 if self.loaded is None else self.loaded.scheduler.consecutive_failed_batches
        return failed >= UNREADY_AFTER_FAILED_BATCHES

    def describe(self) -> dict[str, Any]:
        """Name, version, what is loaded, and endpoints."""
        info = self.reranker.info
        absent = [route for route, served in ((DOCS, self.docs), (PLAYGROUND, self.playground)) if not served]
        return {
            "name": "bentorank",
            "version": __version__,
            "model": self.model_name,
            "engine": info.engine,
            "device": info.device,
            "precision": info.precision,
            "max_tokens": info.max_tokens,
            "endpoints": {route: what for route, what in ENDPOINTS.items() if route not in absent},
        }
