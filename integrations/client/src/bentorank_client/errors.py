"""One tree of errors. No message or repr contains a key, a query or a document.

RerankError
├── APIConnectionError      no answer: refused, unreachable, or lost on the way
├── APITimeoutError         no answer within `timeout_s`
├── CircuitOpenError        not even tried: the last attempts failed
├── InvalidResponseError    an answer that is no ranking of the documents sent
└── APIStatusError          an answer that says no
    ├── AuthenticationError 401, 403
    ├── BadRequestError     400, 404, 405, 413, 415, 422
    ├── RateLimitError      429
    └── OverloadedError     503
"""

from __future__ import annotations


class RerankError(Exception):
    """Base of everything that can go wrong between a valid call and its ranking."""


class APIConnectionError(RerankError):
    """The service gave no answer."""


class APITimeoutError(RerankError):
    """The service gave no answer in time."""


class CircuitOpenError(RerankError):
    """The last attempts at the service failed, so it is left alone for `retry_after_s`."""

    def __init__(self, retry_after_s: float, server: str = "the reranking service") -> None:
        super().__init__(
            f"{server} failed repeatedly and is not called for another {retry_after_s:.1f} s;"
            " see that it runs, or pass on_error='passthrough' to go on without reranking"
        )
        self.retry_after_s = retry_after_s
        self.server = server

    def __reduce__(self) -> tuple[type[CircuitOpenError], tuple[float, str]]:
        return type(self), (self.retry_after_s, self.server)


class InvalidResponseError(RerankError):
    """The answer is not a ranking of the documents that were sent."""


class APIStatusError(RerankError):
    """The service answered with an error status."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.args[0], self.__dict__)


class BadRequestError(APIStatusError):
    """The service refuses this request as it is; the message names the field and the limit."""


class AuthenticationError(APIStatusError):
    """The API key is missing or wrong."""


class RateLimitError(APIStatusError):
    """The service has more work than it can do in time."""


class OverloadedError(APIStatusError):
    """The service is loading its model, or stopping."""


def _restore(kind: type[APIStatusError], message: str, attributes: dict[str, object]) -> APIStatusError:
    error = kind(message, status=0)
    error.__dict__.update(attributes)
    return error
