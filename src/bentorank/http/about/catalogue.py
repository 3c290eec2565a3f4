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
from bentorank.http.edge.envelope import json_response
from bentorank.http.edge.request_context import context_of
from bentorank.types import Overflow

if TYPE_CHECKING:
    from bentorank.http.dialects.dialect import JobRules
    from bentorank.http.service_state import ServiceState

# TEI counts texts that may wait; here tokens are counted, and nothing else bounds the requests.
UNBOUNDED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class CatalogueRoutes:
    """The handlers that describe the service and its one model."""

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
        info = self.state.reranker.info
        labels = {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
        return json_response(
            {
                "model_id": self.state.model_name,
                "model_sha": None,
                "model_dtype": info.precision,
                "served_model_name": self.state.model_name,
                "model_type": {"reranker": labels},
                "max_concurrent_requests": UNBOUNDED,
                "max_input_length": info.max_tokens,
                "max_batch_tokens": self.state.reranker.scheduler.max_batch_tokens,
                "max_batch_requests": None,
                "max_client_batch_size": self.rules.limits.max_documents,
                "auto_truncate": self.rules.overflow is not Overflow.ERROR,
                "tokenization_workers": self.tokenizer_threads,
                "version": __version__,
                "sha": None,
                "docker_label": None,
                "limits": self._limits(),
            }
        )

    async def models(self, _request: Request) -> Response:
        """The model that is loaded, in a list of one."""
        return json_response({"object": "list", "data": [self._model()]})

    async def model(self, request: Request) -> Response:
        """The model under the name asked for: any name, unless names are taken strictly."""
        name = context_of(request.scope).model_id
        self.state.check_model(name)
        return json_response(self._model())

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

    def _model(self) -> dict[str, Any]:
        return {
            "id": self.state.model_name,
            "object": "model",
            "created": self.started_at,
            # Not ours to choose: infinity_client refuses a list owned by anybody else.
            "owned_by": "infinity",
            "backend": self.state.reranker.info.engine,
            "capabilities": ["rerank"],
            "stats": {},
            "model_name": self.state.model_name,
            "model_type": "rerank",
        }
