"""What is served here, in the forms in which clients ask before they rerank.

Sources: TEI's `/info` (router/src/lib.rs, 1.9.3); the OpenAI model list with what infinity_client 0.0.78,
xinference-client 4.1.0 and NVIDIA's clients read in it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations of handlers at run time
from starlette.responses import Response  # noqa: TC002

from bentorank import __version__
from bentorank.http.about.model_details import model_details
from bentorank.http.edge.envelope import json_response
from bentorank.http.edge.request_context import context_of
from bentorank.types import Overflow

if TYPE_CHECKING:
    from bentorank.http.dialects.dialect import JobRules
    from bentorank.http.service_state import ServiceState
    from bentorank.models import ServedModel

# TEI counts texts that may wait; here tokens are counted, and nothing else bounds the requests.
UNBOUNDED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class CatalogueRoutes:
    """The handlers that describe the service and its models."""

    state: ServiceState
    rules: JobRules
    needs_key: bool
    tokenizer_threads: int
    max_body_bytes: int
    max_request_tokens: int
    started_at: int = field(default_factory=lambda: int(time.time()))  # noqa: TID251 - a date, no duration

    async def service(self, _request: Request) -> Response:
        """What this service is and where its endpoints are."""
        return json_response(self.state.describe())

    async def info(self, _request: Request) -> Response:
        """The model and the limits, as TEI tells them."""
        default = self.state.models.default
        info = default.reranker.info
        overflow = default.overflow or self.rules.overflow
        labels = {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
        return json_response(
            {
                "model_id": default.name,
                "model_sha": None,
                "model_dtype": info.precision,
                "served_model_name": default.name,
                "model_type": {"reranker": labels},
                "max_concurrent_requests": UNBOUNDED,
                "max_input_length": info.max_tokens,
                "max_batch_tokens": default.reranker.scheduler.max_batch_tokens,
                "max_batch_requests": None,
                "max_client_batch_size": self.rules.limits.max_documents,
                "auto_truncate": overflow is not Overflow.ERROR,
                "tokenization_workers": self.tokenizer_threads,
                "version": __version__,
                "sha": None,
                "docker_label": None,
                "limits": self._limits(),
                "models": [model_details(model, self.rules) for model in self.state.models],
            }
        )

    async def models(self, _request: Request) -> Response:
        """The models that are served, the default first."""
        return json_response({"object": "list", "data": [self._model(model) for model in self.state.models]})

    async def model(self, request: Request) -> Response:
        """The model under the name asked for, or the default, unless names are taken strictly."""
        return json_response(self._model(self.state.models.choose(context_of(request.scope).model_id)))

    async def cluster_auth(self, _request: Request) -> Response:
        """Whether a key is wanted: Xinference's client sends its key only to those who say so."""
        return json_response({"auth": self.needs_key})

    def _limits(self) -> dict[str, int]:
        """What TEI has no place for. Callers who know them need not find out."""
        limits = self.rules.limits
        return {
            "max_documents": limits.max_documents,
            "max_document_chars": limits.max_document_chars,
            "max_query_chars": limits.max_query_chars,
            "max_batch_requests": limits.max_batch_requests,
            "max_body_bytes": self.max_body_bytes,
            "max_request_tokens": self.max_request_tokens,
        }

    def _model(self, model: ServedModel) -> dict[str, Any]:
        return {
            "id": model.name,
            "object": "model",
            "created": self.started_at,
            # Not ours to choose: infinity_client refuses a list owned by anybody else.
            "owned_by": "infinity",
            "backend": model.reranker.info.engine,
            "capabilities": ["rerank"],
            "stats": {},
            "model_name": model.name,
            "model_type": "rerank",
            "aliases": model.aliases,
            "is_default": model is self.state.models.default,
        }
