"""What an admin may do: load and unload models while the others serve. Guarded by a key of its own, see the edge."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations of handlers at run time
from starlette.responses import Response  # noqa: TC002

from bentorank.errors import UnavailableError
from bentorank.http.edge.envelope import json_response
from bentorank.http.edge.request_context import context_of
from bentorank.http.routes.body import read_json
from bentorank.model_list import ModelEntry

if TYPE_CHECKING:
    from bentorank.http.dialects.limits import RequestLimits
    from bentorank.http.service_state import ServiceState
    from bentorank.model_changes import ModelChanges, ModelStatus


class LoadBody(ModelEntry):
    """A model to load, as an entry of the list of models. What is not said is as the setting of the same name says."""

    model_config = ConfigDict(
        title="Load",
        json_schema_extra={"examples": [{"name": "large", "source": "/models/bge-reranker-base", "overflow": "chunk"}]},
    )


@dataclass(frozen=True, slots=True)
class AdminRoutes:
    """The handlers over the models of one service. A change is begun and not waited for: it may take minutes."""

    state: ServiceState
    limits: RequestLimits

    async def list(self, _request: Request) -> Response:
        """All models that are served, and one that is to be, could not be, or is about to leave."""
        return json_response({"object": "list", "data": [_shown(status) for status in self._changes.statuses()]})

    async def show(self, request: Request) -> Response:
        """How one of them is."""
        return json_response(_shown(self._changes.status(_name_in(request))))

    async def load(self, request: Request) -> Response:
        """Begin to load a model, as an entry of the list of models describes it."""
        sent = await read_json(request, self.limits)
        return _begun(self._changes_wanted.load(sent.object))

    async def unload(self, request: Request) -> Response:
        """Serve a model no more, and unload it once it has answered the requests that it has."""
        return _begun(self._changes_wanted.unload(_name_in(request)))

    @property
    def _changes(self) -> ModelChanges:
        if self.state.changes is None:
            raise UnavailableError("the model is loading", retry_after_s=1)
        return self.state.changes

    @property
    def _changes_wanted(self) -> ModelChanges:
        """Raises UnavailableError where nothing is begun any more."""
        if self.state.draining:
            raise UnavailableError("the service is stopping", retry_after_s=1)
        return self._changes


def _name_in(request: Request) -> str:
    name = context_of(request.scope).model_id
    assert name is not None, "bug: a path without a model"
    return name


def _begun(status: ModelStatus) -> Response:
    return json_response(_shown(status), status=HTTPStatus.ACCEPTED)


def _shown(status: ModelStatus) -> dict[str, Any]:
    return {
        "name": status.name,
        "state": status.state,
        "is_default": status.is_default,
        "requests": status.users,
        "error": status.error,
    }
