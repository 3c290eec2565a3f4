"""Limits on the head of a request: who opens a connection and dawdles, or sends headers without end, is cut off.

uvicorn limits idle connections only, its httptools parser bounds no head, and BentoML passes no protocol class: so ours
is put where uvicorn looks up the word `auto`.
"""

from __future__ import annotations

import asyncio
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

import orjson
import uvicorn.config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bentorank.errors import HeadTooLargeError, RequestTimeoutError
from bentorank.http.edge.envelope import error_body

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport

    from bentorank.errors import BentorankError

LINGER_S = 1.0


class HeadLimitsProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which closes a connection whose request line and headers take too long or too much."""

    timeout_s: ClassVar[float]
    max_bytes: ClassVar[int]

    _timer: TimerHandle | None = None
    _head_has_begun = False
    _head_bytes = 0
    _is_cut_off = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """The first request is due from here on."""
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Count what came until the head is whole; what is left of its last piece belongs to the body."""
        if self._is_cut_off:
            return
        super().data_received(data)
        if self._head_has_begun:
            self._head_bytes += len(data)
            if self._head_bytes > self.max_bytes:
                self._cut_off(HeadTooLargeError(f"headers: more than the limit of {self.max_bytes} bytes"))
            elif self._timer is None:
                # On a kept connection a request is due from here on; most are whole at once and need no timer.
                self._start_timer()

    def on_message_begin(self) -> None:
        """A request has begun. Idling before it has a limit of its own."""
        super().on_message_begin()
        self._head_has_begun, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._head_has_begun = False
        self._stop_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._stop_timer()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        late = RequestTimeoutError(f"headers: not there within the limit of {self.timeout_s:g} s")
        self._timer = asyncio.get_running_loop().call_later(self.timeout_s, self._cut_off, late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut_off(self, error: BentorankError) -> None:
        self._is_cut_off = True
        if not self._head_has_begun:  # to one who has sent nothing an answer would come out of the blue
            self.transport.close()
            return
        self.transport.write(_answer(error))
        # Closed with bytes unread, a connection is reset, and the answer may be lost on its way.
        asyncio.get_running_loop().call_later(LINGER_S, self.transport.close)


def limit_heads(*, timeout_s: float, max_bytes: int) -> None:
    """From now on this process serves HTTP with these limits on the head of a request."""
    HeadLimitsProtocol.timeout_s, HeadLimitsProtocol.max_bytes = timeout_s, max_bytes
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{HeadLimitsProtocol.__name__}"


def _answer(error: BentorankError) -> bytes:
    request_id = uuid.uuid4().hex
    body = orjson.dumps(error_body(error, request_id))
    lines = (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"x-request-id: {request_id}",
        "connection: close",
    )
    return "\r\n".join([*lines, "", ""]).encode() + body
