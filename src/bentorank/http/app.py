"""The FastAPI application: which route lives where. What its documentation says: `documentation/`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
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
from bentorank.http.dialects.native import NATIVE, SUPERSET
from bentorank.http.dialects.native_request import RerankBatchBody, RerankListBody
from bentorank.http.dialects.native_response import RerankBatchResponse, RerankResponse
from bentorank.http.dialects.score import ScoreBody, ScoreResponse
from bentorank.http.dialects.selection import RERANK_PATHS
from bentorank.http.dialects.tei import TEI
from bentorank.http.dialects.voyage import VOYAGE
from bentorank.http.documentation.document import document_of, path_parameter, request_body
from bentorank.http.documentation.errors import POST_ERRORS, errors
from bentorank.http.documentation.groups import DESCRIPTION, PLAYGROUND_LINK
from bentorank.http.documentation.operations import GETS, LOAD, POSTS, UNLOAD
from bentorank.http.documentation.page import ASSET_NAMES, ASSETS, DOCUMENT, add_page
from bentorank.http.edge.keys import METRICS_PATH, PUBLIC_PATHS
from bentorank.http.edge.model_paths import ADMIN_PATH, ADMIN_TEMPLATE, MODEL_TEMPLATE
from bentorank.http.routes.admin import AdminRoutes, LoadBody
from bentorank.http.routes.bentoml_score import BENTOML_SCORE_PATH

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from pydantic import BaseModel
    from starlette.requests import Request
    from starlette.responses import Response

    from bentorank.http.about.catalogue import CatalogueRoutes
    from bentorank.http.about.probes import ProbeRoutes
    from bentorank.http.dialects.dialect import Dialect
    from bentorank.http.documentation.operations import Operation
    from bentorank.http.routes.rerank import RerankRoutes

    Handler = Callable[[Request], Awaitable[Response]]

# BentoML serves these itself, ahead of this application.
BENTOML_PATHS = frozenset({"/livez", "/readyz", "/healthz", METRICS_PATH, "/schema.json"})

# What each path's documentation shows. The keys of a body may make it another's anywhere: `dialects/selection.py`.
SHOWN: Mapping[str, tuple[Dialect[Any], ...]] = {
    **{path: (dialect,) for path, dialect in RERANK_PATHS.items() if path in POSTS},
    "/rerank": (NATIVE, TEI),
    "/v1/rerank": (SUPERSET, VOYAGE),
}
BATCH_BODIES = (RerankBatchBody, RerankListBody)

MODEL_IN_PATH = path_parameter("model_id", "Any name unless the service takes names strictly.", "starter")


@dataclass(frozen=True, slots=True)
class Routes:
    """Every handler of the application; of an admin where there is one."""

    rerank: RerankRoutes
    catalogue: CatalogueRoutes
    probes: ProbeRoutes
    admin: AdminRoutes | None = None


def build_app(routes: Routes, *, docs: bool) -> FastAPI:
    """The application over `routes`."""
    app = FastAPI(
        title="bentorank",
        version=__version__,
        description=DESCRIPTION + (PLAYGROUND_LINK if routes.rerank.state.playground else ""),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url=DOCUMENT if docs else None,
        docs_url=None,
        redoc_url=None,
    )
    if docs:
        add_page(app)
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
    for path, dialects in SHOWN.items():
        response = reduce(or_, (dialect.response for dialect in dialects))
        _add_post(app, path, routes.rerank, [dialect.body for dialect in dialects], response)
    _add_post(app, "/rerank/batch", routes.rerank_batch, BATCH_BODIES, RerankBatchResponse | list[RerankResponse])
    _add_post(app, "/score", routes.score, [ScoreBody], ScoreResponse)


def _add_catalogue(app: FastAPI, routes: CatalogueRoutes) -> None:
    _add_get(app, "/", routes.service, ServiceBody)
    _add_get(app, "/info", routes.info, InfoBody)
    _add_get(app, "/v1/models", routes.models, ModelsBody)
    _add_get(app, MODEL_TEMPLATE, routes.model, ModelBody)
    _add_get(app, "/v1/cluster/auth", routes.cluster_auth, ClusterAuthBody)


def _add_probes(app: FastAPI, routes: ProbeRoutes) -> None:
    _add_get(app, "/health", routes.health, HealthBody)
    _add_get(app, "/v1/health/live", routes.live, NimHealthBody)
    _add_get(app, "/v1/health/ready", routes.ready, NimHealthBody)


def _add_admin(app: FastAPI, routes: AdminRoutes) -> None:
    _add_get(app, ADMIN_PATH, routes.list, ModelStatusesBody)
    _add_get(app, ADMIN_TEMPLATE, routes.show, ModelStatusBody)
    begun: dict[int | str, dict[str, Any]] = {202: {"description": "It is begun."}}
    _add(
        app,
        "POST",
        ADMIN_PATH,
        routes.load,
        LOAD,
        operation_id="load_model",
        status_code=202,
        response_model=ModelStatusBody,
        responses=begun | errors(400, 401, 409, 413, 415, 429, 503),
        openapi_extra=request_body(ADMIN_PATH, [LoadBody]),
    )
    _add(
        app,
        "DELETE",
        ADMIN_TEMPLATE,
        routes.unload,
        UNLOAD,
        operation_id="unload_model",
        status_code=202,
        response_model=ModelStatusBody,
        responses=begun | errors(401, 404, 409, 503),
        openapi_extra=MODEL_IN_PATH,
    )


def _add_openapi(app: FastAPI, *, needs_key: bool) -> None:
    bodies: set[type[BaseModel]] = {*BATCH_BODIES, ScoreBody}
    admin_paths = methods_of(app).keys() & {ADMIN_PATH, ADMIN_TEMPLATE}
    if admin_paths:
        bodies.add(LoadBody)
    bodies.update(dialect.body for dialects in SHOWN.values() for dialect in dialects)
    # Whether the metrics want one is another setting.
    wanted = methods_of(app, BENTOML_SCORE_PATH).keys() - PUBLIC_PATHS - {METRICS_PATH}
    guarded = wanted if needs_key else admin_paths

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            in_order = sorted(bodies, key=lambda body: body.__name__)
            app.openapi_schema = document_of(app, in_order, guarded=guarded)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _add_get(app: FastAPI, path: str, handler: Handler, response: type[BaseModel]) -> None:
    public = path in PUBLIC_PATHS
    with_model = "{" in path
    _add(
        app,
        "GET",
        path,
        handler,
        GETS[path],
        operation_id=f"get_{_operation(path) or 'service'}",
        response_model=response,
        responses={200: {"description": str(response.__doc__)}}
        | errors(*([] if public else [401]), *([404] if with_model else []), 503),
        openapi_extra=MODEL_IN_PATH if with_model else {},
    )


def _add_post(app: FastAPI, path: str, handler: Handler, bodies: Sequence[type[BaseModel]], response: Any) -> None:  # noqa: ANN401 - a type
    _add(
        app,
        "POST",
        path,
        handler,
        POSTS[path],
        operation_id=_operation(path),
        response_model=response,
        responses={200: {"description": "What was asked for."}} | errors(*POST_ERRORS),
        openapi_extra=request_body(path, bodies),
    )


def _add(  # noqa: PLR0913, PLR0917 - what a route is, then what FastAPI documents
    app: FastAPI,
    method: str,
    path: str,
    handler: Handler,
    told: Operation,
    openapi_extra: dict[str, Any],
    **documented: Any,  # noqa: ANN401
) -> None:
    app.add_api_route(
        path,
        handler,
        methods=[method],
        summary=told.summary,
        description=told.text,
        tags=[told.group],
        openapi_extra=openapi_extra | ({"x-aliases": list(told.aliases)} if told.aliases else {}),
        **documented,
    )
    for alias in told.aliases:
        app.add_api_route(alias, handler, methods=[method], response_model=None, include_in_schema=False)


def _operation(path: str) -> str:
    return path.strip("/").replace("/", "_").replace("{", "").replace("}", "")
