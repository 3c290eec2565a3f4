"""Blocking HTTP that ends by its deadline, even when an answer trickles in byte by byte."""

from __future__ import annotations

import os
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import httpcore2
import httpx2

from bentorank_client.calls import KEEPALIVE_EXPIRY_S, MAX_CONNECTIONS
from bentorank_client.connection_errors import sending
from bentorank_client.response_bodies import SizedBody
from bentorank_client.trust_store import trust_store

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator

    from bentorank_client.calls import Attempt
    from bentorank_client.options import ClientOptions
    from bentorank_client.wire import HttpRequest, HttpResponse

WRITE_BYTES = 1 << 16  # at once, so that a server which reads slowly cannot outlast the deadline either

# When the call that this thread makes has to end, on the monotonic clock.
_deadline: ContextVar[float] = ContextVar("deadline")


class SyncTransport:
    """Sockets are opened on first use, and again after a fork, since two processes cannot share one."""

    def __init__(self, options: ClientOptions, http_client: httpx2.Client | None = None) -> None:
        self._options = options
        self._given = http_client
        self._own: tuple[int, httpx2.Client] | None = None

    def send(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        """Raises APIConnectionError or APITimeoutError."""
        reset = _deadline.set(attempt.deadline.at)
        try:
            with sending(attempt):
                return self._send(request, attempt)
        finally:
            _deadline.reset(reset)

    def _send(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        timeout = httpx2.Timeout(max(attempt.deadline.left_s(), 0.0), connect=attempt.connect_timeout_s)
        url = attempt.base_url + request.path
        with self._client().stream(
            request.method, url, content=request.body, headers=attempt.headers, timeout=timeout
        ) as response:
            body = SizedBody(attempt)
            for part in response.iter_bytes():
                body.add(part)
                if attempt.deadline.left_s() < 0:  # for a given client, whose sockets know no deadline
                    raise TimeoutError
        return body.response(response)

    def _client(self) -> httpx2.Client:
        if self._given is not None:
            return self._given
        own = self._own
        if own is None or own[0] != os.getpid():
            encrypted = any(url.startswith("https:") for url in self._options.base_urls)
            own = self._own = (os.getpid(), httpx2.Client(transport=DeadlineTransport(encrypted=encrypted)))
        return own[1]

    def close(self) -> None:
        """Close what was opened here; a given client is its giver's to close."""
        if self._own is not None and self._own[0] == os.getpid():
            self._own[1].close()
        self._own = None


class DeadlineTransport(httpx2.BaseTransport):
    """httpx2 over a connection pool whose sockets know the deadline: httpx2 itself only times each single read."""

    def __init__(self, *, encrypted: bool) -> None:
        self._pool = httpcore2.ConnectionPool(
            ssl_context=trust_store() if encrypted else None,
            max_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_EXPIRY_S,
            network_backend=_DeadlineBackend(),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        answer = self._pool.handle_request(
            httpcore2.Request(
                method=request.method,
                url=httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx2.Response(answer.status, headers=answer.headers, stream=_Stream(answer))

    def close(self) -> None:
        self._pool.close()


class _Stream(httpx2.SyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _DeadlineBackend(httpcore2.NetworkBackend):
    def __init__(self) -> None:
        self._backend = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        return _DeadlineStream(
            self._backend.connect_tcp(
                host, port, _left(timeout, httpcore2.ConnectTimeout), local_address, socket_options
            )
        )

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _DeadlineStream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), WRITE_BYTES):
            self._stream.write(buffer[start : start + WRITE_BYTES], _left(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _DeadlineStream(
            self._stream.start_tls(ssl_context, server_hostname, _left(timeout, httpcore2.ConnectTimeout))
        )

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as the base class has it
        return self._stream.get_extra_info(info)


def _left(timeout_s: float | None, expired: type[httpcore2.TimeoutException]) -> float:
    """The time until the deadline, or `timeout_s` if that is sooner."""
    left_s = _deadline.get() - time.monotonic()
    if left_s <= 0:
        raise expired
    return left_s if timeout_s is None else min(left_s, timeout_s)
