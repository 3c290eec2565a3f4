"""Questions about the service itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bentorank_client.arguments import NO_FIRST_STAGE
from bentorank_client.errors import InvalidResponseError
from bentorank_client.wire import HttpRequest, raise_for_status, read_json

if TYPE_CHECKING:
    from bentorank_client.wire import HttpResponse

HEALTH_REQUEST = HttpRequest("GET", "/readyz")
SERVICE_REQUEST = HttpRequest("GET", "/info")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that the service has loaded. `max_tokens` is its window, query and document together."""

    name: str
    engine: str
    device: str
    precision: str
    max_tokens: int
    aliases: tuple[str, ...] = ()
    """Its other names."""
    overflow: str | None = None
    """What becomes of a document that it cannot read whole, unless a call says."""
    takes_instruction: bool = False
    """Whether it reads a call's `instruction`."""
    first_stages: tuple[str, ...] = ()
    """What may order documents cheaply before it reads the best of them."""
    first_stage: str | None = None
    """Which of them does unless a call says; None where none does."""
    keep: int | None = None
    """How many documents it reads after one, unless a call says."""


def read_health(response: HttpResponse) -> bool:
    """True, or an APIStatusError."""
    raise_for_status(response)
    return True


def read_models(response: HttpResponse) -> tuple[ModelInfo, ...]:
    """The loaded models, from `GET /info`; the first is the one that calls get which name none."""
    raise_for_status(response)
    about = read_json(response)
    try:
        return tuple([model_info(said) for said in about["models"]])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InvalidResponseError(
            f"the answer of {response.server} is not that of bentorank's GET /info; check base_url"
        ) from None


def model_info(said: dict[str, Any]) -> ModelInfo:
    """One model, as the service tells it; what an older one does not say is as by default."""
    first_stage, keep = said.get("first_stage"), said.get("keep")
    return ModelInfo(
        name=str(said["name"]),
        engine=str(said["engine"]),
        device=str(said["device"]),
        precision=str(said["precision"]),
        max_tokens=int(said["max_tokens"]),
        aliases=tuple(map(str, said["aliases"])),
        overflow=str(said["overflow"]),
        takes_instruction=bool(said["takes_instruction"]),
        first_stages=tuple(map(str, said.get("first_stages", ()))),
        first_stage=None if first_stage in {None, NO_FIRST_STAGE} else str(first_stage),
        keep=None if keep is None else int(keep),
    )
