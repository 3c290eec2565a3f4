"""Cross-origin requests: which web pages may call the service from a browser. None unless the settings name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware.cors import CORSMiddleware

from bentorank.http.edge.deadline import TIMEOUT_HEADER
from bentorank.http.edge.keys import KEY_HEADERS
from bentorank.http.edge.request_context import REQUEST_ID_HEADER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp

# A page that is traced sends them, whether this service is or not.
TRACE_HEADERS = ("traceparent", "tracestate")
ALLOWED_HEADERS = (
    "content-type",
    REQUEST_ID_HEADER.decode(),
    TIMEOUT_HEADER,
    *TRACE_HEADERS,
    *(header.decode() for header in KEY_HEADERS),
)
EXPOSED_HEADERS = (
    REQUEST_ID_HEADER.decode(),
    "retry-after",
    "traceresponse",
    "x-truncated-documents",
    "x-truncated-query",
    "x-warnings",
)


def with_cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """The application, answering browsers on pages of `origins`; no cookies, since keys travel in headers."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        allow_headers=ALLOWED_HEADERS,
        expose_headers=EXPOSED_HEADERS,
    )
