"""Sends whatever bytes a case has over one connection, and says what came back."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.hostile.mutations import Ending

if TYPE_CHECKING:
    from benchmarks.hostile.mutations import Case

STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
MAX_ANSWER_BYTES = 4_000_000
# Closing with this resets the connection instead of ending it.
NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The statuses that came, and whether the server closed the connection."""

    statuses: tuple[int, ...]
    closed: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Held:
    """A connection that the client keeps open."""

    kind: str
    number: int
    local_port: int
    writer: asyncio.StreamWriter


class RawClient:
    """One client of a server at `port`; `held` are the connections that cases asked it to keep."""

    def __init__(self, port: int, patience_s: float) -> None:
        self._port = port
        self._patience_s = patience_s
        self.held: list[Held] = []

    async def send(self, case: Case) -> Outcome:
        """One case over a connection of its own."""
        started = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            answer, closed = await self._exchange(case, reader, writer)
        finally:
            if case.ending is Ending.HOLD and not writer.is_closing():
                self.held.append(Held(case.kind, case.number, writer.get_extra_info("sockname")[1], writer))
            else:
                writer.close()
        return Outcome(tuple(map(int, STATUS.findall(answer))), closed, time.monotonic() - started)

    async def _exchange(
        self, case: Case, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[bytes, bool]:
        try:
            for piece in case.pieces:
                writer.write(piece)
                await asyncio.wait_for(writer.drain(), self._patience_s)
                await asyncio.sleep(case.pause_s)
            match case.ending:
                case Ending.HALF_CLOSE:
                    writer.write_eof()
                case Ending.CLOSE | Ending.HOLD:
                    return b"", False
                case Ending.RESET:
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
                    return b"", False
        except (ConnectionError, TimeoutError):
            pass  # what the server said before it hung up can still be read
        return await self._read(reader, case.answers)

    async def _read(self, reader: asyncio.StreamReader, answers: int) -> tuple[bytes, bool]:
        """Until as many answers as requests are there, the server closes, or patience ends."""
        answer = b""
        end = time.monotonic() + self._patience_s
        while len(answer) < MAX_ANSWER_BYTES:
            try:
                piece = await asyncio.wait_for(reader.read(65_536), end - time.monotonic())
            except TimeoutError:
                return answer, False
            except ConnectionError:
                return answer, True
            if not piece:
                return answer, True
            answer += piece
            if len(STATUS.findall(answer)) >= max(answers, 1):
                return answer, False
        return answer, False
