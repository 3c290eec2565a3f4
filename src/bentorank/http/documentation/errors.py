"""What the documentation says of errors: when each status comes, and one of each as the service says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bentorank.errors import (
    BentorankError,
    ConflictError,
    DeadlineExceededError,
    InvalidRequestError,
    ModelNotFoundError,
    OverloadedError,
    PayloadTooLargeError,
    ScoringError,
    UnauthorizedError,
    UnavailableError,
    UnsupportedMediaTypeError,
)
from bentorank.http.about.responses import ErrorBody
from bentorank.http.edge.envelope import error_body, error_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

ERRORS: Mapping[int, tuple[str, BentorankError]] = {
    example.status: (words, example)
    for words, example in (
        (
            "The request breaks a rule; the message names the field.",
            InvalidRequestError("query: must not be blank", field="query"),
        ),
        (
            "An API key is required, or the one sent is not valid.",
            UnauthorizedError("an API key is required: send Authorization: Bearer <key>, or x-api-key"),
        ),
        (
            "No such route, or no such model.",
            ModelNotFoundError("model: not loaded here; GET /v1/models names the one that is", field="model"),
        ),
        (
            "Not now: another change of models runs, a name is taken, or the model is the default.",
            ConflictError("a model is loading: one change at a time"),
        ),
        (
            "The body, or what it asks for, is larger than a limit; the message names the limit.",
            PayloadTooLargeError("documents: 1001 documents, more than the limit of 1000", field="documents"),
        ),
        (
            "The body is not declared as JSON.",
            UnsupportedMediaTypeError("Content-Type: must be application/json", field="Content-Type"),
        ),
        (
            "Overloaded, or the API key has used its share; `Retry-After` says when to come back.",
            OverloadedError("the queue is full: 999800 of 1000000 tokens are waiting", retry_after_s=4),
        ),
        (
            "The model could not score a document, or an internal error.",
            ScoringError("documents[0]: the engine failed on this pair"),
        ),
        (
            "Loading or draining; `Retry-After` says when to come back.",
            UnavailableError("the model is loading", retry_after_s=1),
        ),
        (
            "The deadline passed, or cannot be met.",
            DeadlineExceededError("the deadline passed before the documents were tokenised"),
        ),
    )
}
# Any POST that scores may end in any other; an unknown path or method is no error of a route that is documented.
POST_ERRORS = tuple(status for status in ERRORS if status != ConflictError.status)
REQUEST_ID = "6f1ed002ab5595859014ebf0951522d9"
RETRY_AFTER = {
    "Retry-After": {"description": "Seconds.", "required": True, "schema": {"type": "integer", "minimum": 1}},
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """FastAPI's `responses` for these error statuses."""
    return {status: {"model": ErrorBody, **_told(status)} for status in statuses}


def errors_by_hand(*statuses: int) -> dict[str, dict[str, Any]]:
    """The same as OpenAPI writes them, for operations that FastAPI does not know."""
    schema = {"$ref": f"#/components/schemas/{ErrorBody.__name__}"}
    written = {}
    for status in statuses:
        told = _told(status)
        written[str(status)] = {
            **told,
            "content": {"application/json": {"schema": schema, **told["content"]["application/json"]}},
        }
    return written


def _told(status: int) -> dict[str, Any]:
    words, error = ERRORS[status]
    told: dict[str, Any] = {
        "description": words,
        "content": {"application/json": {"example": error_body(error, REQUEST_ID)}},
    }
    return told | ({"headers": RETRY_AFTER} if "retry-after" in error_headers(error) else {})
