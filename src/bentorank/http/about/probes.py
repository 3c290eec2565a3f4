"""How the service is, in the forms in which orchestrators and clients ask. BentoML adds `/livez` and `/readyz`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations of handlers at run time
from starlette.responses import Response  # noqa: TC002

from bentorank.errors import UnavailableError
from bentorank.http.edge.envelope import json_response

if TYPE_CHECKING:
    from bentorank.http.service_state import ServiceState


@dataclass(frozen=True, slots=True)
class ProbeRoutes:
    """The handlers that tell health. All but `live` answer 503 when new requests are not wanted."""

    state: ServiceState

    async def health(self, _request: Request) -> Response:
        """Whether the model is loaded and its thread alive."""
        self._check_ready()
        return json_response(
            {
                "status": "healthy",
                "model_loaded": True,
                "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            }
        )

    async def live(self, _request: Request) -> Response:
        """NVIDIA NIM's liveness probe."""
        if not self.state.is_alive:
            raise UnavailableError(self.state.why_not_ready, retry_after_s=1)
        return json_response(_nim_health("live"))

    async def ready(self, _request: Request) -> Response:
        """NVIDIA NIM's readiness probe."""
        self._check_ready()
        return json_response(_nim_health("ready"))

    def _check_ready(self) -> None:
        if not self.state.is_ready:
            raise UnavailableError(self.state.why_not_ready, retry_after_s=1)


def _nim_health(status: str) -> dict[str, str]:
    return {"object": "health.response", "message": f"Service is {status}.", "status": status}
