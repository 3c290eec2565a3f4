"""Questions about the service itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bentorank_client.errors import InvalidResponseError
from bentorank_client.wire import HttpRequest, raise_for_status, read_json

if TYPE_CHECKING:
    from bentorank_client.wire import HttpResponse

HEALTH_REQUEST = HttpRequest("GET", "/readyz")
SERVICE_REQUEST = HttpRequest("GET", "/")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that the service has loaded. `max_tokens` is its window, query and document together."""

    name: str
    engine: str
    device: str
    precision: str
    max_tokens: int


def read_health(response: HttpResponse) -> bool:
    """True, or an APIStatusError."""
    raise_for_status(response)
    return True


def read_models(response: HttpResponse) -> tuple[ModelInfo, ...]:
    """The loaded model, from `GET /`."""
    raise_for_status(response)
    about = read_json(response)
    try:
        model = ModelInfo(
            name=str(about["model"]),
            engine=str(about["engine"]),
            device=str(about["device"]),
            precision=str(about["precision"]),
            max_tokens=int(about["max_tokens"]),
        )
    except (KeyError, TypeError, ValueError):
        raise InvalidResponseError(
            f"the answer of {response.server} is not that of bentorank's GET /; check base_url"
        ) from None
    return (model,)
