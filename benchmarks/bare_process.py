"""Talks to `benchmarks.bare_engine` in a process of its own, so that no server shares its threads or memory."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import orjson

from benchmarks.servers import ServerError, stop_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class BareEngine:
    """The engine of the service without the service; `info` says what is loaded."""

    def __init__(self, requests: IO[bytes], answers: IO[bytes]) -> None:
        self._requests = requests
        self._answers = answers
        self.info: dict[str, Any] = self._read()["ready"]

    def measure(self, bodies: Path) -> dict[str, Any]:
        """Score the pairs of a file of native request bodies; a `BareRun` as plain data."""
        self._requests.write(f"{bodies}\n".encode())
        self._requests.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        # Model loaders print, too: answers are the lines that are JSON objects.
        for line in self._answers:
            if line.startswith(b"{"):
                answer: dict[str, Any] = orjson.loads(line)
                return answer
        raise ServerError("the bare engine ended before it answered")


@contextmanager
def run_bare_engine(model: str, clients: int) -> Iterator[BareEngine]:
    """Load the engine that the service would load, and end its process afterwards."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bare_engine", "--clients", str(clients)],
        env=os.environ | {"BENTORANK_MODEL": model},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None, "bug: asked for a pipe"
        assert process.stdout is not None, "bug: asked for a pipe"
        try:
            yield BareEngine(process.stdin, process.stdout)
        finally:
            stop_session(process)
