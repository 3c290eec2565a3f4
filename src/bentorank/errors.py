"""One tree of errors; each class carries the HTTP status, the code and whether to come back later.

BentorankError
├── InvalidRequestError      400  the caller's mistake: names the field and the limit
│   ├── MalformedBodyError   400  not JSON, or not a JSON object
│   ├── DocumentTooLongError 400  longer than the model reads, where the caller wants no cut
│   ├── NoFirstStageError    400  not one that there is, or none to keep documents of
│   ├── MalformedRequestError 400 not HTTP/1.1 as it should be
│   ├── UnauthorizedError    401
│   ├── NotFoundError        404
│   │   └── ModelNotFoundError
│   ├── MethodNotAllowedError 405
│   ├── RequestTimeoutError  408  the request itself took too long to arrive
│   ├── ConflictError        409  not while things are as they are
│   ├── PayloadTooLargeError 413
│   ├── UnsupportedMediaTypeError 415
│   ├── HeadTooLargeError    431  request line and headers are larger than a limit
│   ├── NotImplementedByServerError 501  a part of HTTP that is not read here
│   └── HttpVersionError     505  neither HTTP/1.1 nor 1.0
├── DocumentLeftOutError     400  one document is too long, and the caller wants an answer without it
├── OverloadedError          429  the queue is full or too long, or the deadline cannot be met
├── RateLimitedError         429  this API key has used its share
├── UnavailableError         503  loading or draining
├── DeadlineExceededError    504
└── ScoringError             500  the engine failed on this pair
    └── NonFiniteScoreError

CommandError                      what stops a command of the terminal; nothing of HTTP
├── evaluation.errors.EvaluationError
├── exporting.errors.ExportError
│   └── DisagreementError         status 1: the work was done, and its answer is no
└── installing.MissingExtraError
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.stages import Stage


class Refusal(StrEnum):
    """Why a request was turned away before its work began: a label of a metric."""

    QUEUE_FULL = "queue_full"
    DEADLINE = "deadline"
    TARGET_WAIT = "target_wait"
    RATE_LIMIT = "rate_limit"


class BentorankError(Exception):
    """Base of all errors that a caller may see. The message is public: no path, key, query or document in it.

    `stages` is the work that was done for the request before it failed.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    error_type: ClassVar[str] = "Backend"

    def __init__(self, message: str, *, retry_after_s: int | None = None, refusal: Refusal | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s
        self.refusal = refusal
        self.stages: tuple[Stage, ...] = ()


class InvalidRequestError(BentorankError):
    """The request breaks a rule; `field` names where.

    400 rather than 422: published clients expect a list under `detail` with 422, and a text with any other status.
    """

    status = 400
    code = "invalid_request"
    error_type = "Validation"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class MalformedBodyError(InvalidRequestError):
    """The body is not the JSON object that the route takes."""

    status = 400
    code = "malformed_body"


class MalformedRequestError(InvalidRequestError):
    """The request breaks a rule of HTTP/1.1, so that nobody can tell for sure where it ends."""

    code = "malformed_request"


class DocumentTooLongError(InvalidRequestError):
    """A document does not fit into the model's window, and the caller wants neither a cut nor chunks."""

    code = "document_too_long"
    error_type = "Tokenizer"

    def __init__(self, position: int, *, tokens: int, room: int) -> None:
        field = f"documents[{position}]"
        super().__init__(
            f"{field}: {tokens} tokens, and beside this query the model reads {room}; let it be truncated or split",
            field=field,
        )
        self.position, self.tokens, self.room = position, tokens, room

    def at(self, position: int) -> DocumentTooLongError:
        """The same of the document at another position."""
        return DocumentTooLongError(position, tokens=self.tokens, room=self.room)


class NoFirstStageError(InvalidRequestError):
    """The model has no such first stage, or none at all where documents of one are to be kept.

    Its code is its own, since no other query and documents would help: who asks so is set up wrongly.
    """

    code = "no_first_stage"


class DocumentLeftOutError(BentorankError):
    """A document does not fit into the model's window, and the caller wants the others ranked without it."""

    status = DocumentTooLongError.status
    code = DocumentTooLongError.code
    error_type = DocumentTooLongError.error_type


class UnauthorizedError(InvalidRequestError):
    """The service wants an API key, and the request has none or a wrong one."""

    status = 401
    code = "unauthorized"
    error_type = "Unauthorized"


class NotFoundError(InvalidRequestError):
    """No such route."""

    status = 404
    code = "not_found"


class ModelNotFoundError(NotFoundError):
    """No such model, where names are taken strictly."""

    code = "model_not_found"


class MethodNotAllowedError(InvalidRequestError):
    """The route exists, but only for the methods that are `allowed`."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__("this route does not take this method; GET / lists the endpoints")
        self.allowed = tuple(allowed)


class RequestTimeoutError(InvalidRequestError):
    """The request took too long to arrive."""

    status = 408
    code = "request_timeout"
    error_type = "Timeout"


class ConflictError(InvalidRequestError):
    """What is asked for cannot be done while things are as they are: another change of models runs, a name is taken."""

    status = 409
    code = "conflict"


class PayloadTooLargeError(InvalidRequestError):
    """The body, or what it asks for, is larger than a limit."""

    status = 413
    code = "payload_too_large"


class UnsupportedMediaTypeError(InvalidRequestError):
    """The body is declared as something other than JSON."""

    status = 415
    code = "unsupported_media_type"


class HeadTooLargeError(InvalidRequestError):
    """Request line and headers are larger than a limit."""

    status = 431
    code = "headers_too_large"


class NotImplementedByServerError(InvalidRequestError):
    """A method or a coding of HTTP that this server does not have."""

    status = 501
    code = "not_implemented"


class HttpVersionError(InvalidRequestError):
    """The request is in another version of HTTP."""

    status = 505
    code = "http_version_not_supported"


class OverloadedError(BentorankError):
    """There is more work queued than can be done in time; come back after `retry_after_s`."""

    status = 429
    code = "overloaded"
    error_type = "Overloaded"


class RateLimitedError(BentorankError):
    """This API key has used its share of the model; come back after `retry_after_s`."""

    status = 429
    code = "rate_limited"
    error_type = "Overloaded"


class UnavailableError(BentorankError):
    """The service is loading its model or draining before it stops."""

    status = 503
    code = "unavailable"
    error_type = "Unhealthy"


class DeadlineExceededError(BentorankError):
    """The request's deadline passed, or cannot be met, before every pair was scored."""

    status = 504
    code = "deadline_exceeded"
    error_type = "Timeout"


class ScoringError(BentorankError):
    """The engine could not score this pair."""

    code = "scoring_failed"


class NonFiniteScoreError(ScoringError):
    """The engine returned NaN or an infinity for this pair."""

    code = "non_finite_score"


class ConfigurationError(BentorankError):
    """The settings contradict each other or name something that is not there; the service refuses to start."""

    code = "configuration"


class CommandError(Exception):
    """A command of the terminal cannot go on. Raised anywhere below it, it ends the command with one line, see
    `cli.ending`.

    The message is one sentence that lets the person at the terminal go on: it names the option, file, line or limit at
    fault, never what stands there. Its end takes no full stop. `exit_status` is 2 unless a command promises another.
    """

    exit_status: ClassVar[int] = 2
