"""The caller's OpenTelemetry trace, where there is one, goes on in the service."""

from __future__ import annotations

try:
    from opentelemetry import propagate
except ModuleNotFoundError:
    propagate = None  # type: ignore[assignment]


def add_trace_context(headers: dict[str, str]) -> None:
    """Add W3C `traceparent` and what else the process is configured to propagate."""
    if propagate is not None:
        propagate.inject(headers)
