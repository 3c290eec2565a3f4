"""A proxy that writes down what clients send, for test_recorded.py to send again."""

from __future__ import annotations

import http.client
import http.server
import json
import threading
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pathlib import Path

# What a server may choose its answer by. The others name the client's machine or its libraries.
RECORDED_HEADERS = ("authorization", "x-api-key", "api-key", "content-type", "accept")
HOP_BY_HOP_HEADERS = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}
KEY_PLACEHOLDER = "{key}"
# A long document makes a long file, and says nothing of how a client writes its requests.
MOST_RECORDED_BYTES = 2000


class RecordingProxy:
    """Forwards every request as it came, and keeps each different one once."""

    def __init__(self, key: str) -> None:
        """`key` is recorded as a placeholder."""
        self._key = key
        self._target = ""
        self._client: dict[str, str] = {}
        self._records: list[dict[str, Any]] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_failure: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forward_to(self, url: str, *, client: str, version: str) -> None:
        """From now on requests are this client's, and go to `url`."""
        self._target = url
        self._client = {"client": client, "version": version}

    def save(self, path: Path, environment: str) -> None:
        """Replace what the file has of this environment; one request a line."""
        recorded = json.loads(path.read_text()) if path.exists() else {}
        recorded[environment] = self._records
        blocks = [
            f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(record) for record in records) + "\n]"
            for name, records in sorted(recorded.items())
        ]
        path.write_text("{\n" + ",\n".join(blocks) + "\n}\n")

    def _forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(urlsplit(self._target).netloc)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        record = {
            **self._client,
            "method": method,
            "path": path,
            "headers": {
                name: value.replace(self._key, KEY_PLACEHOLDER)
                for name, value in headers.items()
                if name in RECORDED_HEADERS
            },
            "body": body.decode(),
            "status": response.status,
        }
        if len(body) <= MOST_RECORDED_BYTES and record not in self._records:
            self._records.append(record)
        return response

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        forward = self._forward

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                assert "transfer-encoding" not in headers, "this client streams its body; record that as well"
                body = self.rfile.read(int(headers.get("content-length", 0)))
                passed_on = {name: value for name, value in headers.items() if name not in HOP_BY_HOP_HEADERS}
                response = forward(self.command, self.path, passed_on, body)
                content = response.read()
                self.send_response_only(response.status)
                for name, value in response.getheaders():
                    if name.lower() not in HOP_BY_HOP_HEADERS:
                        self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - the library's name

            def log_message(self, *_arguments: object) -> None:
                """Say nothing: what was sent is on record."""

        return Handler
