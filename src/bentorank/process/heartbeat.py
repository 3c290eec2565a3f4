"""Signs of life: each worker writes its pid into one pipe that it has inherited from the supervisor, twice a second."""

from __future__ import annotations

import asyncio
import os
import struct
from contextlib import suppress

# Not one of our settings, whose names begin otherwise.
PIPE_VARIABLE = "_BENTORANK_HEARTBEAT_FD"
BEAT_EVERY_S = 0.5

_BEAT = struct.Struct("=i")
_READ_BYTES = 1 << 16


class Heartbeats:
    """The supervisor's end. What it starts after making one inherits the other end, and where to find it."""

    def __init__(self) -> None:
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        # A supervisor that does not read must not stop its workers.
        os.set_blocking(writer, False)
        os.set_inheritable(writer, True)  # noqa: FBT003 - it takes no keywords
        os.environ[PIPE_VARIABLE] = str(writer)

    def take(self) -> set[int]:
        """The pids that have been heard since the last call."""
        heard: set[int] = set()
        with suppress(BlockingIOError):
            # Writes of a few bytes are whole, so this never ends within a beat.
            while data := os.read(self._reader, _READ_BYTES):
                heard.update(pid for (pid,) in _BEAT.iter_unpack(data))
        return heard


async def beat_for_ever() -> None:
    """Give signs of life from the event loop, until it is blocked or cancelled. Without a supervisor, do nothing."""
    if (writer := os.environ.get(PIPE_VARIABLE)) is None:
        return
    beat = _BEAT.pack(os.getpid())
    while True:
        # Full, because nobody reads, or closed, because the supervisor is gone: others look after that.
        with suppress(OSError):
            os.write(int(writer), beat)
        await asyncio.sleep(BEAT_EVERY_S)
