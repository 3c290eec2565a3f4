"""The spans of a request: one for all of it, and below that one for each stage of its work.

All are made once the answer has left, from the times that the results of the work carry; only the ids of the request's
own are chosen as it begins, since its answer and the log tell them.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from bentorank import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Span
    from opentelemetry.util.types import Attributes, AttributeValue

    from bentorank.errors import BentorankError
    from bentorank.observability.tracing.traced_work import TracedWork

SCOPE = InstrumentationScope("bentorank", __version__)
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
UNSET = Status(StatusCode.UNSET)


class RequestTracer:
    """Begins the trace of each request, as a part of the caller's where it sends one."""

    def __init__(self, provider: TracerProvider, processor: SpanProcessor) -> None:
        """`processor` is the provider's: what is over when it is made goes there straight."""
        self._tracer = provider.get_tracer(SCOPE.name, SCOPE.version)
        self._finished = FinishedSpans(provider.resource, processor)

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
        return RequestTrace(span, route, self._finished)


class FinishedSpans:
    """Makes spans that are over. A tracer's own begin and end, which bear threads and changes, cost ten times that."""

    def __init__(self, resource: Resource, processor: SpanProcessor) -> None:
        self._resource = resource
        self._processor = processor
        self._ids = RandomIdGenerator()

    def add(
        self, name: str, parent: SpanContext, times_ns: tuple[int, int], attributes: Attributes, status: Status = UNSET
    ) -> SpanContext:
        """Send one, and give its ids for those below it."""
        ids = SpanContext(
            parent.trace_id, self._ids.generate_span_id(), is_remote=False, trace_flags=parent.trace_flags
        )
        span = ReadableSpan(
            name,
            ids,
            parent,
            self._resource,
            attributes,
            status=status,
            start_time=times_ns[0],
            end_time=times_ns[1],
            instrumentation_scope=SCOPE,
        )
        self._processor.on_end(span)
        return ids


class RequestTrace:
    """One request's; work is added to it as it is done, by whoever did it."""

    __slots__ = ("_finished", "_route", "_span", "_wall_ns", "_work", "is_recording")

    def __init__(self, span: Span, route: str | None, finished: FinishedSpans) -> None:
        self._span = span
        self._finished = finished
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
        for work in self._work:
            self._add_work(work, span)
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

    def _add_work(self, work: TracedWork, span: Span) -> None:
        """Its attributes and stages: of a request's only work on the request's own span, else on one of its own."""
        ids = span.get_span_context()
        if work.index is None:
            span.set_attributes(work.attributes)
        else:
            ids = self._add_part(work, work.index, ids)
        for stage in work.stages:
            attributes = {f"bentorank.{name}": count for name, count in stage.counts.items()}
            self._finished.add(stage.name, ids, (self._at(stage.started), self._at(stage.ended)), attributes)

    def _add_part(self, work: TracedWork, index: int, parent: SpanContext) -> SpanContext:
        attributes: dict[str, AttributeValue] = {**work.attributes, "bentorank.request.index": index}
        status = UNSET
        if work.error is not None:
            attributes["error.type"] = work.error.code
            if is_failure(work.error.status):
                status = Status(StatusCode.ERROR, work.error.code)
        times_ns = self._at(work.began), self._at(work.ended)
        return self._finished.add("rerank", parent, times_ns, attributes, status)

    def _at(self, monotonic_s: float) -> int:
        """A moment as OpenTelemetry has it: nanoseconds since 1970."""
        return self._wall_ns + round(monotonic_s * NS_PER_S)


def is_failure(status: int) -> bool:
    """Whether the service did not do what it should, failed or had to refuse; other 4xx are the caller's mistakes."""
    return status >= FIRST_SERVER_ERROR or status == TOO_MANY_REQUESTS


def code_of(status: int, error: BentorankError | None) -> str:
    """The error's code, or the status where the error is none of ours."""
    return str(status) if error is None else error.code
