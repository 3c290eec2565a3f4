"""uvicorn's protocol with limits: one request at a time, exact heads, and a time for every state of a connection.

BentoML passes no protocol class to uvicorn, so ours is put where uvicorn looks up the word `auto`.
"""

from __future__ import annotations

import contextvars
from enum import Enum, auto
from typing import TYPE_CHECKING, ClassVar

import httptools
import uvicorn.config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bentorank.errors import (
    BentorankError,
    HeadTooLargeError,
    MalformedRequestError,
    RequestTimeoutError,
    UnavailableError,
)
from bentorank.http.edge.connection.head_rules import body_length, check_head, check_version, framing_head
from bentorank.http.edge.connection.limits import (
    FAR_TOO_MUCH,
    FRAMING_PER_BODY_BYTE,
    MAX_HELD_BYTES,
    SLOW_BYTES_PER_S,
    ConnectionLimits,
)
from bentorank.http.edge.connection.refusals import RefusalLog, refusal
from bentorank.http.edge.connection.transport import EndingTransport
from bentorank.observability import metrics

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport

# Where heads end, and bodies in chunks: the parser accepts no other line ends.
TERMINATOR = b"\r\n\r\n"
UNKNOWN_VERSION = "0.0"


class Phase(Enum):
    """What is due on a connection."""

    IDLE = auto()  # no request has begun
    HEAD = auto()
    BODY = auto()  # the application is at work already
    ANSWER = auto()  # the request is whole


class LimitedProtocol(HttpToolsProtocol):
    """Feeds the parser pieces in which no two requests meet; what belongs to the next request waits unparsed."""

    limits: ClassVar[ConnectionLimits]
    refusals: ClassVar[RefusalLog] = RefusalLog()
    # Answered, and nothing asked since, the longest first.
    kept: ClassVar[dict[LimitedProtocol, None]] = {}
    # Answered, but the answer is not read yet.
    unread: ClassVar[set[LimitedProtocol]] = set()

    transport: EndingTransport

    _phase = Phase.IDLE
    _head_bytes = 0
    _is_stopping = False

    # The rest of what has come, from `_held_at` on.
    _held = b""
    _held_at = 0
    # The last bytes of a head or of chunks, in which a terminator may have begun.
    _tail = b""

    # Of the body: bytes to come, None if in chunks; bytes of chunks that were no body; a parser of its own.
    _body_left: int | None = 0
    _framing_bytes = 0
    _body_parser: httptools.HttpRequestParser | None = None
    _may_keep_alive = False

    _timer: TimerHandle | None = None
    _timed: Phase | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """The first request is due from here on."""
        ending = EndingTransport(
            transport, self.loop, timeout_s=self.limits.body_timeout_s, expects_more=self._expects_more
        )
        super().connection_made(ending)
        self._context = contextvars.copy_context()
        self._time(Phase.HEAD)
        metrics.CONNECTIONS.inc()
        if len(self.connections) > self.limits.max_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        metrics.CONNECTIONS.dec()
        self.kept.pop(self, None)
        self.unread.discard(self)
        self.transport.lost()
        self._time(None)
        self._held = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what comes, unless a request is being answered: then it waits."""
        if self.transport.is_closing():
            self.transport.discard(len(data))
            return
        self._unset_keepalive_if_required()
        if self._held:
            self._held, self._held_at = self._held[self._held_at :] + data, 0
        else:
            self._held = data
        self._go_on()

    def on_message_begin(self) -> None:
        """A request has begun."""
        assert self._phase is Phase.IDLE, "bug: two requests at a time"
        self.kept.pop(self, None)
        super().on_message_begin()
        self._phase = Phase.HEAD

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; a trailer is none."""
        if self._phase is Phase.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there: the application begins."""
        check_head(self.parser.get_http_version(), self.parser.get_method(), self.headers)
        super().on_headers_complete()
        self._phase = Phase.BODY
        self._head_bytes = self._framing_bytes = 0
        self._body_left = body_length(self.headers)
        # An answer that does not wait for the body ends the connection, since the rest stays unread.
        self._may_keep_alive, self.cycle.keep_alive = self.cycle.keep_alive, False

    def on_message_complete(self) -> None:
        """The body is there, unless the parser takes it for another protocol: see `_ignore_upgrade`."""
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._phase = Phase.ANSWER
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._may_keep_alive and not self._is_stopping

    def on_response_complete(self) -> None:
        """The next request may begin."""
        super().on_response_complete()
        self._phase = Phase.IDLE
        if self.transport.is_closing():
            self._give_up_reading()
        else:
            self.kept[self] = None
            self._go_on_later()

    def pause_writing(self) -> None:
        """The client does not take its answers; it gets no further ones meanwhile."""
        super().pause_writing()
        self.transport.expect_to_be_read()
        self.unread.add(self)
        self._bound_unread()

    def resume_writing(self) -> None:
        """The client has taken them."""
        super().resume_writing()
        self.transport.was_read()
        self.unread.discard(self)
        self._go_on_later()

    def shutdown(self) -> None:
        """The server stops: a request that has begun is answered, nothing else is waited for."""
        self._is_stopping = True
        if self.cycle is None or self.cycle.response_complete or self.cycle.disconnected:
            self.transport.close_now()
        else:
            self.cycle.keep_alive = False

    def _should_upgrade(self) -> bool:
        """Never. RFC 9110, 7.8: a server may ignore the wish, and Java's client has it with every request."""
        return False

    def _expects_more(self) -> bool:
        return bool(self._held) or self._phase in (Phase.HEAD, Phase.BODY)

    def _go_on_later(self) -> None:
        """In the connection's own context: the caller may be the application, within the last request's."""
        if self._held and not self.transport.is_closing():
            self.loop.call_soon(self._go_on, context=self._context)

    def _go_on(self) -> None:
        while self._held and self._may_parse():
            piece = self._next_piece()
            try:
                self._parse(piece)
            except BentorankError as error:
                self._refuse(error)
        if self.transport.is_closing():
            self._held = b""
            return
        self.transport.hold_reading(held=len(self._held) - self._held_at > MAX_HELD_BYTES)
        self._time(self._due())

    def _may_parse(self) -> bool:
        if self._phase is Phase.ANSWER or self.transport.is_closing():
            return False
        return self._phase is not Phase.IDLE or not self.flow.write_paused

    def _next_piece(self) -> bytes:
        """The next bytes of one request: up to where its head, its body or a line of it may end."""
        end = self._end_of_piece()
        piece = self._held[self._held_at : end]
        if end == len(self._held):
            self._held, self._held_at = b"", 0
        else:
            self._held_at = end
        return piece

    def _end_of_piece(self) -> int:
        start, length = self._held_at, len(self._held)
        if self._phase is Phase.BODY and self._body_left is not None:
            return min(length, start + self._body_left)
        if self._tail:
            begun = len(self._tail)
            found = (self._tail + self._held[start : start + len(TERMINATOR) - 1]).find(TERMINATOR)
            if found >= 0:
                return start + found + len(TERMINATOR) - begun
        found = self._held.find(TERMINATOR, start)
        return length if found < 0 else found + len(TERMINATOR)

    def _parse(self, piece: bytes) -> None:
        if self._phase is not Phase.BODY:
            self._parse_head(piece)
        elif self._body_left is None:
            self._parse_chunks(piece)
        else:
            self._body_left -= len(piece)
            self._feed(piece)

    def _parse_head(self, piece: bytes) -> None:
        self._head_bytes += len(piece)
        if self._head_bytes > self.limits.max_header_bytes:
            raise HeadTooLargeError(f"headers: more than the limit of {self.limits.max_header_bytes} bytes")
        self._keep_tail(piece)
        self._feed(piece)

    def _parse_chunks(self, piece: bytes) -> None:
        body_bytes = len(self.cycle.body)
        self._keep_tail(piece)
        self._feed(piece)
        body_bytes = len(self.cycle.body) - body_bytes
        # Sizes, extensions and trailers, beyond what small chunks need; room that was not needed is not saved up.
        excess = len(piece) - (1 + FRAMING_PER_BODY_BYTE) * body_bytes
        self._framing_bytes = max(self._framing_bytes + excess, 0)
        if self._framing_bytes > self.limits.max_header_bytes:
            limit = self.limits.max_header_bytes
            raise HeadTooLargeError(f"trailers and chunk extensions: more than the limit of {limit} bytes")

    def _keep_tail(self, piece: bytes) -> None:
        whole = self._tail + piece if len(piece) < len(TERMINATOR) else piece
        self._tail = b"" if whole.endswith(TERMINATOR) else whole[1 - len(TERMINATOR) :]

    def _feed(self, piece: bytes) -> None:
        """Raises what the request is to be refused with."""
        parser = self._body_parser or self.parser
        try:
            parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._ignore_upgrade()
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, BentorankError):
                raise error.__context__ from None
            if self._phase is not Phase.BODY and (version := self.parser.get_http_version()) != UNKNOWN_VERSION:
                check_version(version)
            raise MalformedRequestError("the request is not valid HTTP/1.1") from None

    def _ignore_upgrade(self) -> None:
        """The parser stops where another protocol would begin: a second one reads the body, a third what follows."""
        self.parser = httptools.HttpRequestParser(self)
        self._body_parser = httptools.HttpRequestParser(_BodyOnly(self))
        self._body_parser.feed_data(framing_head(self.headers))

    def _make_room(self) -> None:
        """A kept connection may end at any time, as its client knows; without one, this newest cannot stay."""
        if self.kept:
            longest = next(iter(self.kept))
            del self.kept[longest]
            longest.transport.close_now()
            return
        limit = self.limits.max_connections
        error = UnavailableError(f"more connections than the limit of {limit}", retry_after_s=1)
        self.refusals.add(error)
        self.transport.write(refusal(error, self.server_state.default_headers))
        self._give_up_reading()
        # Lingering would keep what there is none of.
        self.transport.close_now()

    def _bound_unread(self) -> None:
        """Where answers that wait take too much, who takes theirs the slowest goes first; one alone may be large."""
        limit = self.limits.max_unread_bytes
        waiting = sum(each.transport.unread_bytes for each in self.unread)
        if waiting <= limit:
            return
        for each in sorted(self.unread, key=lambda each: each.transport.pace):
            if waiting <= limit or len(self.unread) == 1:
                return
            bytes_per_s, _ = each.transport.pace
            if waiting > FAR_TOO_MUCH * limit or bytes_per_s < SLOW_BYTES_PER_S:
                waiting -= each.transport.unread_bytes
                self.unread.discard(each)
                self.refusals.add(RequestTimeoutError(f"answers: more unread than the limit of {limit} bytes together"))
                each.transport.give_up()

    def _refuse(self, error: BentorankError) -> None:
        """Answer in the application's place and end the connection."""
        self.refusals.add(error)
        has_begun_answer = False
        if self._phase is Phase.BODY:
            has_begun_answer = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not has_begun_answer:
            self.transport.write(refusal(error, self.server_state.default_headers))
        self._give_up_reading()
        self.transport.linger()

    def _give_up_reading(self) -> None:
        """What still comes is discarded, and a lingering connection keeps no memory."""
        self._time(None)
        self._held = b""
        if self.cycle is not None:
            self.cycle.body = bytearray()

    def _due(self) -> Phase | None:
        """For what a time is set. Being answered has its own: the request's deadline; so has being idle."""
        if self._phase is Phase.IDLE:
            return Phase.HEAD if self._head_bytes else None
        return None if self._phase is Phase.ANSWER else self._phase

    def _time(self, phase: Phase | None) -> None:
        if phase is self._timed:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timed = phase
        if phase is Phase.HEAD:
            self._timer = self.loop.call_later(self.limits.header_timeout_s, self._head_is_late)
        elif phase is Phase.BODY:
            self._timer = self.loop.call_later(self.limits.body_timeout_s, self._body_is_late)

    def _head_is_late(self) -> None:
        if self._phase is Phase.IDLE:  # to one who has begun no request an answer would come out of the blue
            self.transport.close_now()
        else:
            limit_s = self.limits.header_timeout_s
            self._refuse(RequestTimeoutError(f"headers: not there within the limit of {limit_s:g} s"))

    def _body_is_late(self) -> None:
        limit_s = self.limits.body_timeout_s
        self._refuse(RequestTimeoutError(f"body: not there within the limit of {limit_s:g} s"))


class _BodyOnly:
    """What a parser tells of the body whose head another has read."""

    def __init__(self, protocol: LimitedProtocol) -> None:
        self._protocol = protocol
        self.on_body = protocol.on_body

    def on_message_complete(self) -> None:
        self._protocol._body_parser = None  # noqa: SLF001 - a part of it
        self._protocol.on_message_complete()


def limit_connections(limits: ConnectionLimits) -> None:
    """From now on this process serves HTTP within these limits."""
    LimitedProtocol.limits = limits
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{LimitedProtocol.__name__}"
