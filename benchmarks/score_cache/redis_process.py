"""A redis-server of the benchmark's own, empty, without a disk."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import redis

from benchmarks.harness.servers import free_port, require_program

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = "redis-server"
LISTENING_WITHIN_S = 10.0


class RedisProcess:
    """One at `url`, which stays its own over restarts; each starts empty."""

    def __init__(self) -> None:
        """Raises ServerError if the program is not installed."""
        require_program("a benchmark with Redis", PROGRAM)
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it listens."""
        options = ("--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        self._process = subprocess.Popen((PROGRAM, *options), stdout=subprocess.DEVNULL)
        _wait(self.url)

    def stop(self) -> None:
        """If it runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None


@contextmanager
def running_redis() -> Iterator[RedisProcess]:
    """One that runs, and is gone in the end."""
    redis_process = RedisProcess()
    redis_process.start()
    try:
        yield redis_process
    finally:
        redis_process.stop()


def used_bytes(url: str) -> int:
    """Memory that its data takes, as it says."""
    with redis.Redis.from_url(url) as client:
        return int(client.info("memory")["used_memory_dataset"])


def _wait(url: str) -> None:
    end = time.monotonic() + LISTENING_WITHIN_S
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
            else:
                return
