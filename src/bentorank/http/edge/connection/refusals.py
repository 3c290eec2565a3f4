"""Requests that never reach the application: their answer as bytes, one line in the log for many of them."""

from __future__ import annotations

import logging
import time
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

from bentorank.http.edge.envelope import error_body, error_headers
from bentorank.observability import metrics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bentorank.errors import BentorankError

logger = logging.getLogger(__name__)

LOG_INTERVAL_S = 10.0


def refusal(error: BentorankError, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The whole answer, after which the connection ends."""
    request_id = uuid.uuid4().hex
    body = orjson.dumps(error_body(error, request_id))
    headers = (
        *default_headers,
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
        (b"connection", b"close"),
        *((name.encode(), value.encode()) for name, value in error_headers(error).items()),
    )
    status = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode()
    return b"\r\n".join((status, *(name + b": " + value for name, value in headers), b"", body))


class RefusalLog:
    """Callers can make any number of mistakes; they get one line in `LOG_INTERVAL_S`."""

    def __init__(self) -> None:
        self._count = 0
        self._next_line_at = 0.0

    def add(self, error: BentorankError) -> None:
        """Count a refusal and perhaps write the line. Its message has no input in it."""
        self._count += 1
        metrics.EDGE_REFUSALS.labels(error.code).inc()
        now = time.monotonic()
        if now >= self._next_line_at:
            logger.warning("refused %d requests as they came in; the last: %d %s", self._count, error.status, error)
            self._count, self._next_line_at = 0, now + LOG_INTERVAL_S
