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


@contextmanager
def running_redis() -> Iterator[str]:
    """Its URL, while it runs. Raises typer.BadParameter if the program is not installed."""
    require_program("score_cache", PROGRAM)
    port = free_port()
    options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    process = subprocess.Popen((PROGRAM, *options), stdout=subprocess.DEVNULL)
    try:
        url = f"redis://127.0.0.1:{port}/0"
        _wait(url)
        yield url
    finally:
        process.terminate()
        process.wait()


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
