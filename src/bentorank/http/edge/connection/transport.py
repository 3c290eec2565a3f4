"""The transport as uvicorn sees it: it ends in a time, and what is written after its end is dropped in silence."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from bentorank.http.edge.connection.limits import (
    DISCARD_SILENCE_S,
    MAX_DISCARDED_BYTES,
    MIN_ANSWER_BYTES_PER_S,
    SLOW_AFTER_S,
)

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from collections.abc import Callable


class EndingTransport(asyncio.Transport):
    """Closed while a request is still coming in, it lingers: it reads on and discards, so that the answer arrives.

    With unread bytes, a closed socket is reset, and the peer's system throws away what it had not read yet.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: AbstractEventLoop,
        *,
        timeout_s: float,
        expects_more: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._timeout_s = timeout_s
        self._expects_more = expects_more
        self._is_ending = False
        self._is_paused = self._is_held = self._reads_not = False
        self._lingers_until = 0.0
        self._discarded = self._discarded_before = 0
        self._linger_timer: TimerHandle | None = None
        self._write_timer: TimerHandle | None = None
        self._unread_since = 0.0
        self._unread_then = 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's signature
        """As asyncio has it."""
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self._is_ending or self._transport.is_closing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Dropped after the end: the application may be slow to notice it."""
        if not self._is_ending:
            self._transport.write(data)

    def pause_reading(self) -> None:
        """The application does not take the body as fast as it comes."""
        self._is_paused = True
        self._read_or_not()

    def resume_reading(self) -> None:
        """The application takes more."""
        self._is_paused = False
        self._read_or_not()

    def hold_reading(self, *, held: bool) -> None:
        """Whether enough is waiting for its turn already."""
        if held is not self._is_held:
            self._is_held = held
            self._read_or_not()

    def close(self) -> None:
        """End, after what was written has been taken; the rest of a request is read first."""
        if self.is_closing():
            return
        if self._expects_more():
            self.linger()
        else:
            self.close_now()

    def linger(self) -> None:
        """Write nothing more, and read on within bounds of bytes and seconds."""
        self._is_ending = True
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._is_paused = self._is_held = False
        self._read_or_not()
        self._lingers_until = self._loop.time() + self._timeout_s
        self._linger_timer = self._loop.call_later(DISCARD_SILENCE_S, self._check_lingering)

    def discard(self, count: int) -> None:
        """So many bytes have come after the end."""
        self._discarded += count
        if self._discarded > MAX_DISCARDED_BYTES:
            self.close_now()

    def close_now(self) -> None:
        """End without reading on."""
        self._is_ending = True
        _cancel(self._linger_timer)
        self._transport.close()
        if self.unread_bytes:
            self.expect_to_be_read()

    def expect_to_be_read(self) -> None:
        """What waits to be sent must be taken in a time."""
        if self._write_timer is None:
            self._unread_since, self._unread_then = self._loop.time(), self.unread_bytes
            allowed_s = self._timeout_s + self.unread_bytes / MIN_ANSWER_BYTES_PER_S
            self._write_timer = self._loop.call_later(allowed_s, self._transport.abort)

    @property
    def unread_bytes(self) -> int:
        """What waits to be sent."""
        return self._transport.get_write_buffer_size()

    @property
    def pace(self) -> tuple[float, float]:
        """Least of whom takes what waits the slowest, in bytes a second; of those whom no second has tried, the first.

        What the system's own buffers take of an answer looks like reading, for a moment.
        """
        waited_s = self._loop.time() - self._unread_since
        if waited_s < SLOW_AFTER_S:
            return math.inf, self._unread_since
        return (self._unread_then - self.unread_bytes) / waited_s, self._unread_since

    def give_up(self) -> None:
        """End without sending what waits."""
        self._is_ending = True
        self._transport.abort()

    def was_read(self) -> None:
        """What was waiting to be sent has been taken, nearly all of it."""
        if not self._is_ending:
            _cancel(self._write_timer)
            self._write_timer = None

    def lost(self) -> None:
        """The connection is gone: nothing is due any more."""
        self._is_ending = True
        _cancel(self._linger_timer)
        _cancel(self._write_timer)

    def _read_or_not(self) -> None:
        reads_not = self._is_paused or self._is_held
        if reads_not is self._reads_not or self._transport.is_closing():
            return
        self._reads_not = reads_not
        if reads_not:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _check_lingering(self) -> None:
        is_silent = self._discarded == self._discarded_before
        if is_silent or self._loop.time() >= self._lingers_until:
            self.close_now()
            return
        self._discarded_before = self._discarded
        self._linger_timer = self._loop.call_later(DISCARD_SILENCE_S, self._check_lingering)


def _cancel(timer: TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
