"""OpenTelemetry's middleware, which BentoML puts around every request whether anybody traces or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

if TYPE_CHECKING:
    from starlette.applications import Starlette


def leave_out_tracing(app: Starlette) -> None:
    """Take it out of an application that has not served yet: with its SDK disabled it costs time for nothing."""
    app.user_middleware = [layer for layer in app.user_middleware if not _traces(layer.cls)]


def _traces(layer: object) -> bool:
    return isinstance(layer, type) and issubclass(layer, OpenTelemetryMiddleware)
