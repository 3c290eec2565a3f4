"""One line for a request, or for a sample of them; those that went wrong here, and slow ones, are never left out."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bentorank.http.edge.request_context import RequestContext

FIRST_ERROR_STATUS = 400
FIRST_SERVER_ERROR_STATUS = 500
# Asked every few seconds by machines: of interest when the answer is bad.
PROBES = frozenset(
    {"/health", "/healthz", "/infinity/health", "/livez", "/metrics", "/ping", "/readyz", "/v1/health/live"}
    | {"/v1/health/ready"}
)
# Any other word may be a caller's own.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

logger = logging.getLogger("bentorank.access")


@dataclass(frozen=True, slots=True)
class AccessLog:
    """Logs a `share` of requests, from 0 to 1, and all that end with 5xx or take `slow_s`; of probes, failed ones."""

    share: float
    slow_s: float

    def record(self, method: str, route: str | None, status: int, context: RequestContext) -> None:
        """A request was answered. `route` is one of those served, or None."""
        seconds = time.monotonic() - context.began
        if not self._wants(route, status, seconds):
            return
        fields: dict[str, object] = {
            "method": method if method in METHODS else "(other)",
            "route": route or "(unknown)",
            "status": status,
            "duration_ms": round(seconds * 1e3, 1),
            "request_id": context.request_id,
            "body_bytes": context.body_bytes,
        }
        if context.trace_id is not None:
            fields["trace_id"] = context.trace_id
        if context.error is not None:
            fields["code"] = context.error.code
        logger.info("answered", extra=fields | context.work)

    def _wants(self, route: str | None, status: int, seconds: float) -> bool:
        if route in PROBES:
            return status >= FIRST_ERROR_STATUS
        if status >= FIRST_SERVER_ERROR_STATUS or seconds >= self.slow_s:
            return True
        return random.random() < self.share  # noqa: S311 - a sample
