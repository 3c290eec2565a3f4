"""OpenTelemetry's middleware, which BentoML puts around every request whether anybody traces or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Receive, Scope, Send

# What OpenTelemetry writes into spans or, where it is spoilt, into the log, though callers write there what they like.
FREE_TEXT_HEADERS = frozenset({b"baggage", b"host", b"tracestate", b"user-agent"})


def leave_out_tracing(app: Starlette) -> None:
    """Take it out of an application that has not served yet: with its SDK disabled it costs time for nothing."""
    app.user_middleware = [layer for layer in app.user_middleware if not _traces(layer.cls)]


class WithoutFreeText:
    """Hides from the application inside, and so from spans, what callers may write freely; nothing inside reads it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [header for header in scope["headers"] if header[0] not in FREE_TEXT_HEADERS]
            # The client is whatever X-Forwarded-For says.
            scope = {**scope, "query_string": b"", "headers": headers, "client": None}
        await self._app(scope, receive, send)


def _traces(layer: object) -> bool:
    return isinstance(layer, type) and issubclass(layer, OpenTelemetryMiddleware)
