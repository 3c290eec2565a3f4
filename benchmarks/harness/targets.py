"""What can be measured on a list of requests: a running server, or a program without HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.harness.contender import native_body
from benchmarks.harness.load_process import run_load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.harness.contender import BodyWriter
    from benchmarks.harness.request_sets import Request
    from benchmarks.harness.scoring_process import ScoringProcess
    from benchmarks.harness.servers import RunningServer


class Target(Protocol):
    """Something that scores requests; results carry at least `pairs`, `seconds` and `pairs_per_s`."""

    @property
    def name(self) -> str:
        """As the report calls it."""
        ...

    def measure(self, requests: Sequence[Request]) -> dict[str, Any]:
        """Score all requests, as fast as it goes."""
        ...


class ServerTarget:
    """A server under closed-loop load."""

    def __init__(self, server: RunningServer, clients: int, folder: Path) -> None:
        self.name = server.contender.name
        self._server = server
        self._clients = clients
        self._bodies = folder / f"{self.name}.jsonl"

    def measure(self, requests: Sequence[Request]) -> dict[str, Any]:
        """A `LoadSummary`, and the CPU seconds that the server took."""
        write_bodies(self._bodies, requests, self._server.contender.write_body)
        before_s = self._server.cpu_s()
        result = run_load(self._server.rerank_url, self._bodies, "--clients", str(self._clients))
        return result | {"server_cpu_s": self._server.cpu_s() - before_s}


class ProgramTarget:
    """A program without a server."""

    def __init__(self, process: ScoringProcess, folder: Path) -> None:
        self.name = process.name
        self._process = process
        self._bodies = folder / f"{self.name}.jsonl"

    def measure(self, requests: Sequence[Request]) -> dict[str, Any]:
        """What the program answers."""
        write_bodies(self._bodies, requests, native_body)
        return self._process.measure(self._bodies)


def write_bodies(path: Path, requests: Sequence[Request], write_body: BodyWriter) -> None:
    """One encoded request a line: encoding costs the load generator nothing while it measures."""
    path.write_bytes(b"\n".join(map(write_body, requests)))
