"""A collector of traces: takes OTLP over HTTP and keeps the bytes."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {1: "internal", 2: "server"}
STATUSES = {0: "unset", 1: "ok", 2: "error"}


@dataclass(frozen=True)
class SeenSpan:
    """A span as it was sent; ids in hexadecimal digits, times in nanoseconds."""

    name: str
    trace: str
    id: str
    parent: str
    kind: str
    started: int
    ended: int
    status: str
    message: str
    attributes: dict[str, Any]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended - self.started) / 1e9


class Collector(ThreadingHTTPServer):
    """Listens on a free port until it is closed; one that `hangs` takes what is sent and never answers."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *, hangs: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.closing = threading.Event()
        self.hangs = hangs
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where spans go to."""
        return f"http://127.0.0.1:{self.server_port}/v1/traces"

    @property
    def resources(self) -> list[dict[str, Any]]:
        """What each message says of its sender."""
        return [
            _values(group.resource.attributes)
            for body in self.received
            for group in ExportTraceServiceRequest.FromString(body).resource_spans
        ]

    @property
    def spans(self) -> list[SeenSpan]:
        """All that came."""
        return [
            _seen(span)
            for body in self.received
            for group in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        """Keep what was sent."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append(body)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        if self.server.hangs:
            self.server.closing.wait(60)
            return
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def _seen(span: Any) -> SeenSpan:
    return SeenSpan(
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        kind=KINDS[span.kind],
        started=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        status=STATUSES[span.status.code],
        message=span.status.message,
        attributes=_values(span.attributes),
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}
