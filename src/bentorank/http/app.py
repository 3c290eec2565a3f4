"""The FastAPI application: which route lives where, and what its documentation says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi_offline import FastAPIOffline

from bentorank import __version__
from bentorank.http.requests import RerankBatchBody, RerankBody
from bentorank.http.responses import ErrorBody, HealthBody, RerankBatchResponse, RerankResponse, ServiceBody

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import BaseModel
    from starlette.requests import Request
    from starlette.responses import Response

    from bentorank.http.routes import NativeRoutes

    Handler = Callable[[Request], Awaitable[Response]]

DESCRIPTION = "Order passages by their relevance to a query, with a cross-encoder."

# BentoML serves these itself, ahead of this application.
BENTOML_PATHS = frozenset({"/livez", "/readyz", "/healthz", "/metrics", "/schema.json"})

ASSETS = "/docs-assets"
ASSET_NAMES = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")

ERRORS = {
    400: "The request breaks a rule; the message names the field.",
    404: "No such route.",
    405: "The route does not take this method.",
    413: "The body, or what it asks for, is larger than a limit; the message names the limit.",
    415: "The body is not declared as JSON.",
    429: "Overloaded; `Retry-After` says when to come back.",
    500: "The model could not score a document, or an internal error.",
    503: "Loading or draining; `Retry-After` says when to come back.",
    504: "The deadline passed, or cannot be met.",
}


def build_app(routes: NativeRoutes, *, docs: bool) -> FastAPI:
    """The application over `routes`. Handlers read and write bodies themselves; the models document them."""
    about: dict[str, Any] = {"title": "bentorank", "version": __version__, "description": DESCRIPTION}
    # The page's scripts come from this service, not from a CDN: it works, and stays private, without a network.
    app = FastAPIOffline(redoc_url=None, static_url=ASSETS, **about) if docs else FastAPI(openapi_url=None, **about)
    _add_post(app, "/rerank", routes.rerank, RerankBody, RerankResponse)
    _add_post(app, "/rerank/batch", routes.rerank_batch, RerankBatchBody, RerankBatchResponse)
    app.add_api_route(
        "/", routes.service, methods=["GET"], operation_id="service", response_model=ServiceBody, responses=_errors(503)
    )
    app.add_api_route(
        "/health",
        routes.health,
        methods=["GET"],
        operation_id="health",
        response_model=HealthBody,
        responses=_errors(503),
    )
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def paths_of(app: FastAPI, *extra: str) -> frozenset[str]:
    """Every path that is answered: the application's, BentoML's own, and `extra`."""
    own = {path for route in app.routes if isinstance(path := getattr(route, "path", None), str)}
    assets = {f"{ASSETS}/{name}" for name in ASSET_NAMES} if ASSETS in own else set()
    return (BENTOML_PATHS | own | assets | set(extra)) - {ASSETS}


def _add_post(
    app: FastAPI,
    path: str,
    handler: Handler,
    body: type[BaseModel],
    response: type[BaseModel],
) -> None:
    app.add_api_route(
        path,
        handler,
        methods=["POST"],
        operation_id=path.strip("/").replace("/", "_"),
        response_model=response,
        responses=_errors(*(status for status in ERRORS if status not in {404, 405})),
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}},
            }
        },
    )


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorBody, "description": ERRORS[status]} for status in statuses}


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document with the schemas of the request bodies, which it cannot see from the handlers."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for body in (RerankBody, RerankBatchBody):
            schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}))
            schemas[body.__name__] = schema
        app.openapi_schema = document
    return app.openapi_schema
