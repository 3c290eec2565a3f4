"""How the service is, in the forms in which orchestrators and clients ask. BentoML adds `/livez` and `/readyz`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations of handlers at run time
from starlette.responses import Response  # noqa: TC002

from bentorank.errors import UnavailableError
from bentorank.http.edge.envelope import error_response, json_response
from bentorank.http.edge.request_context import context_of

if TYPE_CHECKING:
    from bentorank.http.service_state import ServiceState


@dataclass(frozen=True, slots=True)
class ProbeRoutes:
    """The handlers that tell health. All but `live` answer 503 when new requests are not wanted."""

    state: ServiceState

    async def health(self, request: Request) -> Response:
        """Whether the model is loaded and its thread alive."""
        content = {
            "status": "healthy",
            "model_loaded": True,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        return self._answer(request, content, well=self.state.is_ready)

    async def live(self, request: Request) -> Response:
        """NVIDIA NIM's liveness probe."""
        return self._answer(request, _nim_health("live"), well=self.state.is_alive)

    async def ready(self, request: Request) -> Response:
        """NVIDIA NIM's readiness probe."""
        return self._answer(request, _nim_health("ready"), well=self.state.is_ready)

    def _answer(self, request: Request, content: dict[str, object], *, well: bool) -> Response:
        """`content`, or 503: answered and not raised, since the edge counts what is raised as a refused request."""
        if well:
            return json_response(content)
        context = context_of(request.scope)
        context.error = UnavailableError(self.state.why_not_ready, retry_after_s=1)
        return error_response(context.error, context.request_id)


def _nim_health(status: str) -> dict[str, object]:
    return {"object": "health.response", "message": f"Service is {status}.", "status": status}
