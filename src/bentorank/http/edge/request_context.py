"""What belongs to one HTTP request and is seen from both ends of the middleware chain."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from starlette.types import Scope

    from bentorank.errors import BentorankError
    from bentorank.observability.tracing.request_trace import RequestTrace

REQUEST_ID_HEADER = b"x-request-id"
# Anything else could break a log line or a header.
USABLE_ID = re.compile(rb"[A-Za-z0-9._:@=+/-]{1,128}")
SCOPE_KEY = "bentorank"


@dataclass(slots=True)
class RequestContext:
    """`error` is what the request ended with; set by whoever knows, read where the answer leaves the process.

    `model_id` is the model's name in the path, of those paths that have one. `key` is the digest of the caller's API
    key, where one is needed. It `began` with its head, on the monotonic clock in seconds. `trace` is that of a
    traced request. `body_bytes` have arrived; `work` is what the access log tells of what was done.
    """

    request_id: str
    error: BentorankError | None = None
    model_id: str | None = None
    key: bytes | None = None
    began: float = field(default_factory=time.monotonic)
    trace: RequestTrace | None = None
    body_bytes: int = 0
    work: dict[str, object] = field(default_factory=dict)

    @property
    def trace_id(self) -> str | None:
        """For the log, in hexadecimal digits."""
        return None if self.trace is None else self.trace.trace_id

    @property
    def answer_headers(self) -> list[tuple[bytes, bytes]]:
        """What every answer carries, so that its request is found in logs and traces."""
        headers = [(REQUEST_ID_HEADER, self.request_id.encode())]
        if self.trace is not None:
            headers.append(self.trace.response_header)
        return headers


def begin_request(scope: Scope) -> RequestContext:
    """Start a request's context; its id is the caller's `X-Request-Id` if that is usable, else a new one."""
    sent = next((value for name, value in scope["headers"] if name == REQUEST_ID_HEADER), b"")
    request_id = sent.decode("ascii") if USABLE_ID.fullmatch(sent) else uuid.uuid4().hex
    context = RequestContext(request_id)
    scope[SCOPE_KEY] = context
    return context


def context_of(scope: Scope) -> RequestContext:
    """The context that `begin_request` put into the scope."""
    return cast("RequestContext", scope[SCOPE_KEY])
