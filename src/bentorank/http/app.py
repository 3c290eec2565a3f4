"""The FastAPI application: which route lives where. What its documentation says of bodies: `openapi.py`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.routing import Mount, Route

from bentorank import __version__
from bentorank.http.about.responses import (
    ClusterAuthBody,
    HealthBody,
    InfoBody,
    ModelBody,
    ModelsBody,
    ModelStatusBody,
    ModelStatusesBody,
    NimHealthBody,
    ServiceBody,
)
from bentorank.http.dialects.native_request import RerankBatchBody, RerankListBody
from bentorank.http.dialects.native_response import RerankBatchResponse, RerankResponse
from bentorank.http.dialects.score import ScoreBody, ScoreResponse
from bentorank.http.dialects.selection import RERANK_PATHS, dialects_of
from bentorank.http.edge.keys import PUBLIC_PATHS
from bentorank.http.edge.model_paths import ADMIN_PATH, ADMIN_TEMPLATE, MODEL_TEMPLATE
from bentorank.http.openapi import POST_ERRORS, document_of, errors, path_parameter, request_body
from bentorank.http.routes.admin import AdminRoutes, LoadBody

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import BaseModel
    from starlette.requests import Request
    from starlette.responses import Response

    from bentorank.http.about.catalogue import CatalogueRoutes
    from bentorank.http.about.probes import ProbeRoutes
    from bentorank.http.routes.rerank import RerankRoutes

    Handler = Callable[[Request], Awaitable[Response]]

DESCRIPTION = "Order passages by their relevance to a query, with a cross-encoder."

# BentoML serves these itself, ahead of this application.
BENTOML_PATHS = frozenset({"/livez", "/readyz", "/healthz", "/metrics", "/schema.json"})

ASSETS = "/docs-assets"
ASSET_NAMES = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")

# What the documentation groups its routes by.
RERANKING, CATALOGUE, PROBES, ADMIN = "Reranking", "What is served", "Probes", "Administration"

MODEL_IN_PATH = path_parameter("model_id", "Any name unless the service takes names strictly.")


@dataclass(frozen=True, slots=True)
class Routes:
    """Every handler of the application; of an admin where there is one."""

    rerank: RerankRoutes
    catalogue: CatalogueRoutes
    probes: ProbeRoutes
    admin: AdminRoutes | None = None


def build_app(routes: Routes, *, docs: bool) -> FastAPI:
    """The application over `routes`."""
    about: dict[str, Any] = {"title": "bentorank", "version": __version__, "description": DESCRIPTION}
    # The page's scripts come from this service, not from a CDN: it works, and stays private, without a network.
    app = FastAPIOffline(redoc_url=None, static_url=ASSETS, **about) if docs else FastAPI(openapi_url=None, **about)
    _add_rerank(app, routes.rerank)
    _add_catalogue(app, routes.catalogue)
    _add_probes(app, routes.probes)
    if routes.admin is not None:
        _add_admin(app, routes.admin)
    _add_openapi(app, needs_key=routes.catalogue.needs_key)
    return app


def methods_of(app: FastAPI, *posts: str) -> dict[str, frozenset[str]]:
    """The methods of every path that is handled: the application's, BentoML's own, and those of `posts`."""
    own: dict[str, set[str]] = {}
    for route in app.routes:
        if isinstance(route, Route) and route.methods:
            own.setdefault(route.path, set()).update(route.methods)
    has_assets = any(isinstance(route, Mount) and route.path == ASSETS for route in app.routes)
    assets = [f"{ASSETS}/{name}" for name in ASSET_NAMES] if has_assets else []
    return {
        **{path: frozenset(methods) - {"HEAD"} for path, methods in own.items()},
        **dict.fromkeys((*BENTOML_PATHS, *assets), frozenset({"GET"})),
        **dict.fromkeys(posts, frozenset({"POST"})),
    }


def _add_rerank(app: FastAPI, routes: RerankRoutes) -> None:
    for path in RERANK_PATHS:
        dialects = dialects_of(path)
        response = reduce(or_, (dialect.response for dialect in dialects))
        bodies = [dialect.body for dialect in dialects]
        _add_post(app, path, routes.rerank, bodies, response)
    _add_post(
        app,
        "/rerank/batch",
        routes.rerank_batch,
        [RerankBatchBody, RerankListBody],
        RerankBatchResponse | list[RerankResponse],
    )
    for path in ("/score", "/v1/score"):
        _add_post(app, path, routes.score, [ScoreBody], ScoreResponse)


def _add_catalogue(app: FastAPI, routes: CatalogueRoutes) -> None:
    _add_get(app, "/", routes.service, ServiceBody)
    _add_get(app, "/info", routes.info, InfoBody)
    for path in ("/v1/models", "/models", "/infinity/models"):
        _add_get(app, path, routes.models, ModelsBody)
    _add_get(app, MODEL_TEMPLATE, routes.model, ModelBody)
    _add_get(app, "/v1/cluster/auth", routes.cluster_auth, ClusterAuthBody)


def _add_probes(app: FastAPI, routes: ProbeRoutes) -> None:
    for path in ("/health", "/ping", "/infinity/health"):
        _add_get(app, path, routes.health, HealthBody, PROBES)
    _add_get(app, "/v1/health/live", routes.live, NimHealthBody, PROBES)
    _add_get(app, "/v1/health/ready", routes.ready, NimHealthBody, PROBES)


def _add_admin(app: FastAPI, routes: AdminRoutes) -> None:
    _add_get(app, ADMIN_PATH, routes.list, ModelStatusesBody, ADMIN)
    _add_get(app, ADMIN_TEMPLATE, routes.show, ModelStatusBody, ADMIN)
    app.post(
        ADMIN_PATH,
        operation_id="load_model",
        status_code=202,
        response_model=ModelStatusBody,
        responses=errors(400, 401, 409, 413, 415, 429, 503),
        tags=[ADMIN],
        openapi_extra=request_body([LoadBody]),
    )(routes.load)
    app.delete(
        ADMIN_TEMPLATE,
        operation_id="unload_model",
        status_code=202,
        response_model=ModelStatusBody,
        responses=errors(401, 404, 409, 503),
        tags=[ADMIN],
        openapi_extra=MODEL_IN_PATH,
    )(routes.unload)


def _add_openapi(app: FastAPI, *, needs_key: bool) -> None:
    bodies: set[type[BaseModel]] = {RerankBatchBody, RerankListBody, ScoreBody}
    admin_paths = methods_of(app).keys() & {ADMIN_PATH, ADMIN_TEMPLATE}
    if admin_paths:
        bodies.add(LoadBody)
    bodies.update(dialect.body for path in RERANK_PATHS for dialect in dialects_of(path))
    guarded = methods_of(app).keys() - PUBLIC_PATHS if needs_key else admin_paths

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            in_order = sorted(bodies, key=lambda body: body.__name__)
            app.openapi_schema = document_of(app, in_order, guarded=guarded)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _add_get(app: FastAPI, path: str, handler: Handler, response: type[BaseModel], tag: str = CATALOGUE) -> None:
    public = path in PUBLIC_PATHS
    with_model = "{" in path
    app.add_api_route(
        path,
        handler,
        methods=["GET"],
        operation_id=f"get_{_operation(path) or 'service'}",
        response_model=response,
        responses=errors(*([] if public else [401]), *([404] if with_model else []), 503),
        tags=[tag],
        openapi_extra=MODEL_IN_PATH if with_model else None,
    )


def _add_post(app: FastAPI, path: str, handler: Handler, bodies: list[type[BaseModel]], response: Any) -> None:  # noqa: ANN401 - a type
    app.add_api_route(
        path,
        handler,
        methods=["POST"],
        operation_id=_operation(path),
        response_model=response,
        responses=errors(*POST_ERRORS),
        summary=str(bodies[0].model_config["title"]),
        tags=[RERANKING],
        openapi_extra=request_body(bodies) | (MODEL_IN_PATH if "{" in path else {}),
    )


def _operation(path: str) -> str:
    return path.strip("/").replace("/", "_").replace("{", "").replace("}", "")
