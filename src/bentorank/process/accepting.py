"""Several workers accept from one socket: whoever has the fewest connections comes first.

Left to the event loop, one that wakes takes all that wait: of 32 that a client opens at once, 32.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import struct
from typing import TYPE_CHECKING

from bentorank.process.stopping import serve_accepted

if TYPE_CHECKING:
    import socket

    from uvicorn import Server

# Not one of our settings, whose names begin otherwise.
COUNTS_VARIABLE = "_BENTORANK_CONNECTIONS_FD"
# Time for a worker with fewer connections to come first; it is the most that one who is busy, or hangs, costs.
GIVE_WAY_S = 0.002
# Where descriptors have run out: each try would fail.
AFTER_FAILURE_S = 0.1
POLL_S = 0.01
# Connections that end are noticed so late.
COUNT_EVERY_S = 0.05

_COUNT = struct.Struct("=i")
_NOT_THERE = 0


class ConnectionCounts:
    """Shared memory with a number for each worker: its connections and 1, or 0 while it accepts none."""

    def __init__(self, descriptor: int) -> None:
        self._numbers = mmap.mmap(descriptor, os.fstat(descriptor).st_size)

    @classmethod
    def share(cls, workers: int) -> ConnectionCounts:
        """The supervisor's; what it starts from now on finds the same memory."""
        descriptor = os.memfd_create("connections")
        os.truncate(descriptor, workers * _COUNT.size)
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - it takes no keywords
        os.environ[COUNTS_VARIABLE] = str(descriptor)
        return cls(descriptor)

    def set(self, number: int, connections: int) -> None:
        """Say how many the worker of that number, from 1, has."""
        _COUNT.pack_into(self._numbers, (number - 1) * _COUNT.size, connections + 1)

    def forget(self, number: int) -> None:
        """Nobody gives way to that worker any more."""
        _COUNT.pack_into(self._numbers, (number - 1) * _COUNT.size, _NOT_THERE)

    def fewest_of_others(self, number: int) -> int | None:
        """Connections of the worker with the fewest beside that one; None without another."""
        counts = [count - 1 for (count,) in _COUNT.iter_unpack(self._numbers[:])]
        del counts[number - 1]
        return min((count for count in counts if count >= 0), default=None)


class FairAcceptor:
    """Takes a listener's place in uvicorn: accepts one connection at a time, and gives way to who has fewer."""

    def __init__(self, server: Server, listener: socket.socket, counts: ConnectionCounts, number: int) -> None:
        self._server = server
        self._socket = listener
        self._counts = counts
        self._number = number
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[None]] = set()
        self._waiting: asyncio.TimerHandle | None = None
        self._listen()

    @property
    def sockets(self) -> list[socket.socket]:
        """As asyncio's servers have them."""
        return [] if self._socket.fileno() < 0 else [self._socket]

    def close(self) -> None:
        """Accept no more."""
        self._counts.forget(self._number)
        if self._socket.fileno() >= 0:
            self._stop_listening()
            self._socket.close()

    async def wait_closed(self) -> None:
        """Until what was accepted before is served as a connection of uvicorn's own, which that waits for."""
        await asyncio.gather(*self._beginning, return_exceptions=True)

    def _listen(self) -> None:
        self._waiting = None
        self._loop.add_reader(self._socket, self._accept_or_give_way)

    def _stop_listening(self) -> None:
        self._loop.remove_reader(self._socket)
        if self._waiting is not None:
            self._waiting.cancel()

    def _wait(self, seconds: float) -> None:
        self._stop_listening()
        self._waiting = self._loop.call_later(seconds, self._accept)

    def _accept_or_give_way(self) -> None:
        own = self.count()
        fewest = self._counts.fewest_of_others(self._number)
        if fewest is not None and own > fewest:
            self._wait(GIVE_WAY_S)
        else:
            self._accept()

    def _accept(self) -> None:
        if self._waiting is not None:
            self._listen()
        try:
            connection = self._socket.accept()[0]
        except BlockingIOError:
            return  # another one was quicker
        except OSError:
            self._wait(AFTER_FAILURE_S)
            return
        task = self._loop.create_task(serve_accepted(self._server, [connection]))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)
        self.count()

    def count(self) -> int:
        """Say how many connections this worker has, those included that begin just now."""
        connections = len(self._server.server_state.connections) + len(self._beginning)
        self._counts.set(self._number, connections)
        return connections


async def accept_fairly(server: Server, number: int) -> None:
    """Once uvicorn listens, accept in its place, until it stops. Without other workers, leave it to uvicorn."""
    if (descriptor := os.environ.get(COUNTS_VARIABLE)) is None:
        return
    counts = ConnectionCounts(int(descriptor))
    while not server.started:  # noqa: ASYNC110 - uvicorn sets no event
        await asyncio.sleep(POLL_S)
    twins = [listener.dup() for place in server.servers for listener in place.sockets]
    for place in server.servers:
        place.close()
    for twin in twins:
        twin.settimeout(0)
    acceptors = [FairAcceptor(server, twin, counts, number) for twin in twins]
    server.servers[:] = acceptors  # type: ignore[assignment]
    while all(acceptor.sockets for acceptor in acceptors):
        for acceptor in acceptors:
            acceptor.count()
        await asyncio.sleep(COUNT_EVERY_S)
