"""Error answers that BentoML or FastAPI made, as errors of ours."""

from __future__ import annotations

from typing import Any

import orjson

from bentorank.errors import (
    BentorankError,
    DeadlineExceededError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PayloadTooLargeError,
    UnavailableError,
    UnsupportedMediaTypeError,
)

FIRST_SERVER_ERROR = 500

# Errors that say all there is to say by their status.
BY_STATUS: dict[int, BentorankError] = {
    404: NotFoundError("no such route; GET / lists the endpoints"),
    413: PayloadTooLargeError("the request is too large"),
    415: UnsupportedMediaTypeError("Content-Type: must be application/json"),
    429: OverloadedError("there is more work queued than can be done in time", retry_after_s=1),
    503: UnavailableError("the service is not ready", retry_after_s=1),
    504: DeadlineExceededError("the request took longer than it may"),
}


def error_of(status: int, body: bytes) -> BentorankError:
    """What an answer with an error `status` means. `body` is only read for the field that a 4xx complains about."""
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status >= FIRST_SERVER_ERROR:
        return BentorankError("internal error; the log has the request id")
    return InvalidRequestError(_complaint(body) or "the request does not match this route")


def _complaint(body: bytes) -> str | None:
    """`field: reason` out of `{"detail": [{"loc": [...], "msg": "..."}]}`, BentoML's body for pydantic's errors."""
    try:
        problem: Any = orjson.loads(body)["detail"][0]
        place = ".".join(str(part) for part in problem["loc"])
        return f"{place}: {problem['msg']}"
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        return None
