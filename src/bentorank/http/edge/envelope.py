"""The one shape of every error answer. Source of the fields: what published clients read, docs/design.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

from bentorank.errors import MethodNotAllowedError, UnauthorizedError

if TYPE_CHECKING:
    from bentorank.errors import BentorankError


def error_body(error: BentorankError, request_id: str) -> dict[str, str]:
    """The body of an error answer: flat, text only, the message under every name that a client looks for."""
    return {
        "error": error.message,
        "error_type": error.error_type,
        "code": error.code,
        "message": error.message,
        "detail": error.message,
        "request_id": request_id,
    }


def error_headers(error: BentorankError) -> dict[str, str]:
    """`Retry-After` in whole seconds, where waiting helps; what RFC 9110 wants with 401 (11.6.1) and 405 (10.2.1)."""
    if isinstance(error, UnauthorizedError):
        return {"www-authenticate": "Bearer"}
    if isinstance(error, MethodNotAllowedError):
        return {"allow": ", ".join(error.allowed)}
    return {} if error.retry_after_s is None else {"retry-after": str(error.retry_after_s)}


def error_response(error: BentorankError, request_id: str) -> Response:
    """The answer to a request that ended with `error`."""
    return json_response(error_body(error, request_id), status=error.status, headers=error_headers(error))


def json_response(content: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer, encoded by orjson: numbers in full precision, no NaN."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json")
