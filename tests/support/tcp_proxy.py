"""A proxy between a client and a server on loopback that can be slow, silent or gone: the faults of a network."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

CHUNK_BYTES = 65_536


class Fault(Enum):
    """What the proxy does to each chunk."""

    NONE = "none"
    SLOW = "slow"  # passes it on 200 ms later
    BLACKHOLE = "blackhole"  # takes it and passes nothing on
    RESET = "reset"  # closes the connection


SLOW_S = 0.2


class TcpProxy:
    """Listens on a free port while it is entered; `fault` may be changed at any time, from any thread."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        """`port` is the server's; with `tls` the proxy's clients must speak TLS, as the server need not."""
        self._target = port
        self._tls = tls
        self.fault = Fault.NONE
        self.port = 0
        self.connections = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(task := asyncio.current_task())
        self.connections += 1
        try:
            with suppress(OSError, asyncio.CancelledError):
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
                try:
                    await asyncio.gather(self._pass_on(reader, far_writer), self._pass_on(far_reader, writer))
                finally:
                    far_writer.close()
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            if self.fault is Fault.RESET:
                break
            if self.fault is Fault.BLACKHOLE:
                continue
            if self.fault is Fault.SLOW:
                await asyncio.sleep(SLOW_S)
            writer.write(chunk)
            await writer.drain()
        writer.close()
