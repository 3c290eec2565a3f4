"""A time limit on the head of a request: who opens a connection and dawdles does not keep it, and is answered 408.

uvicorn has a limit for idle connections only, and BentoML passes no protocol class, so the class is put where uvicorn
looks up the word `auto`.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, ClassVar

import orjson
import uvicorn.config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bentorank.errors import RequestTimeoutError
from bentorank.http.envelope import error_body

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport


class HeaderTimeoutProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which closes a connection whose request line and headers take too long to come."""

    header_timeout_s: ClassVar[float]
    _header_timer: TimerHandle | None = None
    _head_has_begun = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """The first request is due from here on."""
        super().connection_made(transport)
        self._start_header_timer()

    def on_message_begin(self) -> None:
        """A request has begun; one on a kept connection is due from here on, idling before it has its own limit."""
        super().on_message_begin()
        self._head_has_begun = True
        if self._header_timer is None:
            self._start_header_timer()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._head_has_begun = False
        self._stop_header_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._stop_header_timer()
        super().connection_lost(exc)

    def _start_header_timer(self) -> None:
        self._header_timer = asyncio.get_running_loop().call_later(self.header_timeout_s, self._cut_off)

    def _cut_off(self) -> None:
        if self._head_has_begun:  # to one who has sent nothing an answer would come out of the blue
            self.transport.write(_answer())
        self.transport.close()

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


def _answer() -> bytes:
    error = RequestTimeoutError("the head of the request took too long to arrive")
    body = orjson.dumps(error_body(error, uuid.uuid4().hex))
    head = f"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return f"{head}\r\nconnection: close\r\n\r\n".encode() + body


def limit_header_time(timeout_s: float) -> None:
    """From now on this process serves HTTP with that limit on the head of a request."""
    HeaderTimeoutProtocol.header_timeout_s = timeout_s
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{HeaderTimeoutProtocol.__name__}"
