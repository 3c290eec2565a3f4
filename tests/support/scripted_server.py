"""A real HTTP server on the loopback that misbehaves as told: each request meets the next step of its script."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Step = Callable[[BaseHTTPRequestHandler, dict], None]

USAGE = {"total_tokens": 7, "pairs": 2, "cached_pairs": 0, "truncated_documents": 0}


def ranking(
    scores: Callable[[list[str]], list[float]] = lambda documents: [1 / (2 + i) for i in range(len(documents))],
):
    """A good answer, best first, as bentorank gives it."""

    def step(handler: BaseHTTPRequestHandler, body: dict) -> None:
        order = sorted(enumerate(scores(body["documents"])), key=lambda pair: (-pair[1], pair[0]))
        results = [{"index": i, "relevance_score": score, "truncated": False} for i, score in order]
        usage = {"total_tokens": 7, "pairs": len(order), "cached_pairs": 0, "truncated_documents": 0}
        answer = {"id": "rerank-1", "model": "scripted", "results": results[: body.get("top_n")], "usage": usage}
        send(handler, 200, json.dumps(answer).encode())

    return step


def scoring(scores: Mapping[str, float | str], warnings: Sequence[str] = ()) -> Step:
    """A good answer with these scores, by text, 0.5 for others; one that is a text is the reason why there is none."""

    def step(handler: BaseHTTPRequestHandler, body: dict) -> None:
        found = [(index, scores.get(text, 0.5)) for index, text in enumerate(body["documents"])]
        scored = sorted((pair for pair in found if not isinstance(pair[1], str)), key=lambda pair: (-pair[1], pair[0]))
        results = [{"index": index, "relevance_score": score} for index, score in scored]
        if "score_threshold" not in body:
            results += [
                {"index": index, "relevance_score": None, "unscored": reason}
                for index, reason in found
                if isinstance(reason, str)
            ]
        said = {"results": results[: body.get("top_n")], "usage": USAGE, "warnings": warnings}
        send(handler, 200, json.dumps(said).encode())

    return step


def status(code: int, body: bytes = b"busy", **headers: str) -> Step:
    """An answer with this status; underscores in header names become dashes."""
    return lambda handler, _: send(handler, code, body, **headers)


def answer(body: bytes) -> Step:
    """A 200 with this body."""
    return status(200, body)


def hang(seconds: float) -> Step:
    """No answer for so long."""
    return lambda _handler, _body: time.sleep(seconds)


def trickle(seconds: float) -> Step:
    """An answer of one byte every 20 ms, for so long."""

    def step(handler: BaseHTTPRequestHandler, _body: dict) -> None:
        handler.send_response(200)
        handler.end_headers()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            handler.wfile.write(b" ")
            time.sleep(0.02)

    return step


def vanish(handler: BaseHTTPRequestHandler, _body: dict) -> None:
    """The connection is closed without an answer."""
    handler.close_connection = True


def send(handler: BaseHTTPRequestHandler, code: int, body: bytes, **headers: str) -> None:
    handler.send_response(code)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


class ScriptedServer:
    """Runs a script; its last step repeats. `requests` are the (path, headers, body) that came."""

    def __init__(self, *script: Step) -> None:
        self.script: Sequence[Step] = script
        self.requests: list[tuple[str, dict[str, str], dict]] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
                with server._lock:
                    number = len(server.requests)
                    server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                try:
                    server.script[min(number, len(server.script) - 1)](self, body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *_: object) -> None:
                pass

        return Handler
