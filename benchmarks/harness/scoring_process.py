"""Talks to a `Program` in a process of its own, so that no server shares its threads or memory."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import orjson

from benchmarks.harness.servers import ServerError, require_program, stop_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.harness.contender import Program


class ScoringProcess:
    """A program that has loaded its model; `info` is what it says of it."""

    def __init__(self, name: str, requests: IO[bytes], answers: IO[bytes]) -> None:
        self.name = name
        self._requests = requests
        self._answers = answers
        self.info: dict[str, Any] = self._read()["ready"]

    def measure(self, bodies: Path) -> dict[str, Any]:
        """Score the pairs of a file of native request bodies; the program's answer as plain data."""
        self._requests.write(f"{bodies}\n".encode())
        self._requests.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        # Model loaders print, too: answers are the lines that are JSON objects.
        for line in self._answers:
            if line.startswith(b"{"):
                answer: dict[str, Any] = orjson.loads(line)
                return answer
        raise ServerError(f"{self.name} ended before it answered")


@contextmanager
def run_program(program: Program, model: str, clients: int) -> Iterator[ScoringProcess]:
    """Start a program that sees the requests of `clients` at once, and end its process afterwards."""

    def fill(template: str) -> str:
        return template.replace("{clients}", str(clients)).replace("{model}", model)

    require_program(program.name, program.command[0])
    with subprocess.Popen(
        [fill(part) for part in program.command],
        env=os.environ | {name: fill(value) for name, value in program.environment.items()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None, "bug: asked for a pipe"
        assert process.stdout is not None, "bug: asked for a pipe"
        try:
            yield ScoringProcess(program.name, process.stdin, process.stdout)
        finally:
            stop_session(process)
