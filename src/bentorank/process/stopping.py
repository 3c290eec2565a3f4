"""How a worker stops: not ready at once, serving on for a while; then no new connection, an answer to all others."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from types import FrameType

    from uvicorn import Server

# An open connection on which nothing is asked may still bring a request that was sent before its client knew.
LAST_WORD_S = 1.0
POLL_S = 0.02
# The loop lets go of its listening socket a little after it was told to.
LISTENERS_CLOSED_WITHIN_S = 0.1

CLOSE = (b"connection", b"close")


def serving_uvicorn() -> Server | None:
    """The server that runs in this process, which takes SIGTERM until `stop_gracefully_on_sigterm` does."""
    server: Server | None = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server


def stop_gracefully_on_sigterm(drain_s: float, on_begin: Callable[[], None]) -> None:
    """From now on SIGTERM calls `on_begin` at once and stops uvicorn after `drain_s`; a second one stops it at once.

    Call on the event loop of a server that runs. Where none runs, as in tests of the application alone, do nothing.
    """
    stop = getattr(signal.getsignal(signal.SIGTERM), "__func__", None)
    server = serving_uvicorn()
    if stop is None or server is None:
        return
    loop = asyncio.get_running_loop()
    stopping: list[asyncio.Task[None]] = []

    def begin(signum: int, frame: FrameType | None) -> None:
        if stopping:
            stopping[0].cancel()
            stop(server, signum, frame)
        else:
            stopping.append(loop.create_task(_stop(server, drain_s, lambda: stop(server, signum, frame))))

    def on_sigterm(signum: int, frame: FrameType | None) -> None:
        on_begin()
        # Straight from the signal handler the event loop would only notice at its next event.
        loop.call_soon_threadsafe(begin, signum, frame)

    signal.signal(signal.SIGTERM, on_sigterm)


async def _stop(server: Server, drain_s: float, stop: Callable[[], None]) -> None:
    _ask_clients_to_close(server)
    await asyncio.sleep(drain_s)
    if server.started:
        await _stop_listening(server)
        await _hear_last_words(server)
    stop()


def _ask_clients_to_close(server: Server) -> None:
    """Let every answer from now on say that its connection is closed after it."""
    server.config.encoded_headers.append(CLOSE)  # for the next time that uvicorn sets what is behind
    server.server_state.default_headers = [*server.server_state.default_headers, CLOSE]


async def _stop_listening(server: Server) -> None:
    """Close this worker's end of the listening sockets, and take in who was already waiting there.

    Closed with connections in its queue, a socket resets them. Twins keep it open until the queue is empty.
    """
    twins = [twin.dup() for listener in server.servers for twin in listener.sockets]
    for listener in server.servers:
        listener.close()
    loop = asyncio.get_running_loop()
    end = loop.time() + LISTENERS_CLOSED_WITHIN_S
    while loop.time() < end:
        for twin in twins:
            await serve_accepted(server, _accept_all(twin))
        await asyncio.sleep(POLL_S)
    for twin in twins:
        last = _accept_all(twin)
        twin.close()
        await serve_accepted(server, last)


def _accept_all(listener: socket.socket) -> list[socket.socket]:
    accepted = []
    with suppress(OSError):  # of which "would block" is the usual end
        while True:
            accepted.append(listener.accept()[0])
    return accepted


async def serve_accepted(server: Server, connections: list[socket.socket]) -> None:
    """Speak uvicorn's protocol on connections that were accepted beside it."""
    config, loop = server.config, asyncio.get_running_loop()
    for connection in connections:
        connection.settimeout(0)
        await loop.connect_accepted_socket(
            lambda: config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=server.server_state, app_state=server.lifespan.state, _loop=loop
            ),
            connection,
            ssl=config.ssl,
        )


async def _hear_last_words(server: Server) -> None:
    """Wait until a request runs on each open connection, for a second at most: uvicorn closes all others at once."""
    loop = asyncio.get_running_loop()
    end = loop.time() + LAST_WORD_S
    # uvicorn sets no event for it either.
    while loop.time() < end and any(map(_is_idle, server.server_state.connections)):  # noqa: ASYNC110
        await asyncio.sleep(POLL_S)


def _is_idle(connection: object) -> bool:
    cycle = getattr(connection, "cycle", None)
    return cycle is None or cycle.response_complete
