"""What a request's trace is made of, from the headers that came with it and the work that was done."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

from bentorank import errors
from bentorank.observability.tracing.request_trace import RequestTracer

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{CALLER}-01".encode()


@pytest.fixture
def make_tracer():
    """A function that makes a tracer for a share of the requests, and gives the list of what it sends."""

    def make(share=1.0):
        kept = InMemorySpanExporter()
        provider = TracerProvider(ParentBasedTraceIdRatio(share), shutdown_on_exit=False)
        processor = SimpleSpanProcessor(kept)
        provider.add_span_processor(processor)
        return RequestTracer(provider, processor), kept

    return make


def traced(tracer, *headers, status=200, error=None, request_id="any"):
    trace = tracer.begin("POST", "/rerank", headers)
    trace.end(status, error, request_id)
    return trace


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"traceparent", b"")],
        [(b"traceparent", b"00-" + b"z" * 32 + b"-0-0")],
        [(b"traceparent", f"00-{'0' * 32}-{CALLER}-01".encode())],
        [(b"traceparent", f"00-{TRACE}-{'0' * 16}-01".encode())],
        [(b"traceparent", f"ff-{TRACE}-{CALLER}-01".encode())],
        [(b"traceparent", SAMPLED + b"-more")],
        [(b"traceparent", b"\xff\xfe" + SAMPLED)],
        [(b"traceparent", SAMPLED), (b"traceparent", SAMPLED)],
    ],
)
def test_a_traceparent_that_breaks_a_rule_is_as_none(make_tracer, headers):
    """The request begins a trace of its own."""
    tracer, kept = make_tracer()
    trace = traced(tracer, *headers)
    (span,) = kept.get_finished_spans()
    assert span.parent is None
    assert trace.trace_id == f"{span.context.trace_id:032x}" != TRACE


def test_a_good_one_makes_the_request_part_of_the_callers_trace(make_tracer):
    """A later version with more fields too, as W3C Trace Context wants it; what the answer says is the span's name."""
    tracer, kept = make_tracer()
    for version in (SAMPLED, b"cc" + SAMPLED[2:] + b"-what-comes-in-future"):
        trace = traced(tracer, (b"tracestate", b"free=text"), (b"traceparent", version))
        span = kept.get_finished_spans()[-1]
        assert (trace.trace_id, f"{span.parent.span_id:016x}") == (TRACE, CALLER)
        assert trace.response_header == (b"traceresponse", f"00-{TRACE}-{span.context.span_id:016x}-01".encode())
        assert not span.context.trace_state


@pytest.mark.parametrize(("share", "flags", "sent"), [(0, b"01", 1), (0, b"00", 0), (1, b"00", 0), (1, b"01", 1)])
def test_the_caller_decides_whether_its_trace_is_recorded(make_tracer, share, flags, sent):
    """Whatever the share of others is; who is not recorded has ids all the same."""
    tracer, kept = make_tracer(share)
    trace = traced(tracer, (b"traceparent", SAMPLED[:-2] + flags))
    assert len(kept.get_finished_spans()) == sent
    assert trace.trace_id == TRACE


@pytest.mark.parametrize("share", [0, 1])
def test_a_share_of_the_others_is_recorded(make_tracer, share):
    """None of them, or all."""
    tracer, kept = make_tracer(share)
    for _ in range(20):
        traced(tracer)
    assert len(kept.get_finished_spans()) == 20 * share


@pytest.mark.parametrize(
    ("error", "status", "is_error", "code"),
    [
        (None, 200, False, None),
        (errors.InvalidRequestError("x"), 400, False, "invalid_request"),
        (errors.UnauthorizedError("x"), 401, False, "unauthorized"),
        (errors.OverloadedError("x"), 429, True, "overloaded"),
        (errors.RateLimitedError("x"), 429, True, "rate_limited"),
        (errors.DeadlineExceededError("x"), 504, True, "deadline_exceeded"),
        (None, 499, False, "499"),
        (None, 500, True, "500"),
    ],
)
def test_what_failed_or_was_refused_is_an_error_with_its_code(make_tracer, error, status, is_error, code):
    """Other answers of 4xx are the caller's mistakes, which OpenTelemetry does not call an error of the server."""
    tracer, kept = make_tracer()
    traced(tracer, status=status, error=error)
    (span,) = kept.get_finished_spans()
    assert span.attributes.get("error.type") == code
    assert (span.status.is_ok, span.status.description) == ((False, code) if is_error else (True, None))


@pytest.mark.parametrize(
    ("request_id", "shown"),
    [
        ("0AF7651916cd43dd8448eb211c80319c", True),
        ("6f1c3dd0-0f4b-4f8a-9a53-0f7ad1a3a0c1", True),
        ("invoice-of-jane-doe", False),
        ("0af7651916cd43dd8448eb211c80319", False),
    ],
)
def test_only_random_request_ids_are_shown(make_tracer, request_id, shown):
    """Callers may write into theirs what they like."""
    tracer, kept = make_tracer()
    traced(tracer, request_id=request_id)
    (span,) = kept.get_finished_spans()
    assert ("bentorank.request.id" in span.attributes) is shown


def test_probes_and_pages_are_not_traced(make_tracer):
    """Only what is posted is work."""
    tracer, _ = make_tracer()
    assert tracer.begin("GET", "/livez", [(b"traceparent", SAMPLED)]) is None
