"""The spans of a request: one for all of it, and below that one for each stage of its work.

All are made once the answer has left, from the times that the results of the work carry; only the ids of the request's
own are chosen as it begins, since its answer and the log tell them.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import AttributeValue

    from bentorank.errors import BentorankError
    from bentorank.observability.tracing.traced_work import TracedWork
    from bentorank.stages import Stage

TRACEPARENT = b"traceparent"
W3C = TraceContextTextMapPropagator()
# Every other request is a probe, a look at the metrics or at the documentation.
TRACED_METHOD = "POST"

# Ours and our client's. What else callers name their requests may say something.
RANDOM_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

TOO_MANY_REQUESTS = 429
FIRST_ERROR_STATUS = 400
FIRST_SERVER_ERROR = 500
NS_PER_S = 1_000_000_000


class RequestTracer:
    """Begins the trace of each request, as a part of the caller's where it sends one."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def begin(self, method: str, route: str | None, headers: Iterable[tuple[bytes, bytes]]) -> RequestTrace | None:
        """The trace of a request, if its kind is traced."""
        if method != TRACED_METHOD:
            return None
        name = method if route is None else f"{method} {route}"
        parents = [value for header, value in headers if header == TRACEPARENT]
        # Of several, none can be trusted (W3C Trace Context, 2.2.1). `tracestate` is free text, and left behind.
        parent = (
            W3C.extract({"traceparent": parents[0].decode("latin-1")}, Context()) if len(parents) == 1 else Context()
        )
        span = self._tracer.start_span(name, parent, SpanKind.SERVER)
        return RequestTrace(self._tracer, span, route)


class RequestTrace:
    """One request's; work is added to it as it is done, by whoever did it."""

    __slots__ = ("_route", "_span", "_tracer", "_wall_ns", "_work", "is_recording")

    def __init__(self, tracer: Tracer, span: Span, route: str | None) -> None:
        self._tracer = tracer
        self._span = span
        self._route = route
        self._work: list[TracedWork] = []
        self._wall_ns = time.time_ns() - time.monotonic_ns()
        self.is_recording = span.is_recording()

    @property
    def trace_id(self) -> str:
        """In hexadecimal digits, as logs and headers have it."""
        return f"{self._span.get_span_context().trace_id:032x}"

    @property
    def response_header(self) -> tuple[bytes, bytes]:
        """Tells a caller without tracing where to look (W3C Trace Context Level 2's draft)."""
        context = self._span.get_span_context()
        value = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        return b"traceresponse", value.encode()

    def add(self, work: TracedWork) -> None:
        """Show some work below the request."""
        self._work.append(work)

    def end(self, status: int, error: BentorankError | None, request_id: str) -> None:
        """The answer has left with that status; make the spans below, and end."""
        if not self.is_recording:
            return
        span = self._span
        span.set_attributes(self._attributes(status, error, request_id))
        if is_failure(status):
            span.set_status(Status(StatusCode.ERROR, code_of(status, error)))
        below = set_span_in_context(span, Context())
        for work in self._work:
            self._add_work(work, below)
        span.end()

    def _attributes(self, status: int, error: BentorankError | None, request_id: str) -> dict[str, AttributeValue]:
        attributes: dict[str, AttributeValue] = {
            "http.request.method": TRACED_METHOD,
            "http.response.status_code": status,
            "url.scheme": "http",
        }
        if self._route is not None:
            attributes["http.route"] = self._route
        if status >= FIRST_ERROR_STATUS:
            attributes["error.type"] = code_of(status, error)
        if RANDOM_ID.fullmatch(request_id):
            attributes["bentorank.request.id"] = request_id
        return attributes

    def _add_work(self, work: TracedWork, context: Context) -> None:
        """Its attributes and stages: of a request's only work on the request's own span, else on one of its own."""
        if work.index is None:
            self._span.set_attributes(work.attributes)
            self._add_stages(work.stages, context)
            return
        attributes: dict[str, AttributeValue] = {**work.attributes, "bentorank.request.index": work.index}
        span = self._tracer.start_span("rerank", context, attributes=attributes, start_time=self._at(work.began))
        if work.error is not None:
            span.set_attribute("error.type", work.error.code)
            if is_failure(work.error.status):
                span.set_status(Status(StatusCode.ERROR, work.error.code))
        self._add_stages(work.stages, set_span_in_context(span, Context()))
        span.end(self._at(work.ended))

    def _add_stages(self, stages: Sequence[Stage], context: Context) -> None:
        for stage in stages:
            attributes = {f"bentorank.{name}": count for name, count in stage.counts.items()}
            span = self._tracer.start_span(
                stage.name, context, attributes=attributes, start_time=self._at(stage.started)
            )
            span.end(self._at(stage.ended))

    def _at(self, monotonic_s: float) -> int:
        """A moment as OpenTelemetry has it: nanoseconds since 1970."""
        return self._wall_ns + round(monotonic_s * NS_PER_S)


def is_failure(status: int) -> bool:
    """Whether the service did not do what it should, failed or had to refuse; other 4xx are the caller's mistakes."""
    return status >= FIRST_SERVER_ERROR or status == TOO_MANY_REQUESTS


def code_of(status: int, error: BentorankError | None) -> str:
    """The error's code, or the status where the error is none of ours."""
    return str(status) if error is None else error.code
