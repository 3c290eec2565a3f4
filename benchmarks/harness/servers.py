"""Real server processes on loopback ports: start one, wait until it is ready, measure its memory, stop it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import psutil

from benchmarks.harness.memory import TreeMemory, tree_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from rich.console import Console

    from benchmarks.harness.contender import Contender

READY_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.05
LOG_TAIL = 4_000


class ServerError(Exception):
    """A server did not start; the message ends with the tail of its log."""


class NotReadyError(Exception):
    """A process ended, or its time ran out, before it was ready."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A contender that answers; `pid` is the root of its process tree, `ready_s` the time from start to ready."""

    contender: Contender
    port: int
    pid: int
    ready_s: float
    log_file: IO[bytes]

    @property
    def rerank_url(self) -> str:
        """Where to POST requests."""
        return f"http://127.0.0.1:{self.port}{self.contender.rerank_path}"

    def log(self) -> bytes:
        """All that it has written until now."""
        # At a place of its own: the server shares the file's position.
        return os.pread(self.log_file.fileno(), os.fstat(self.log_file.fileno()).st_size, 0)

    def memory(self) -> TreeMemory:
        """Of the whole process tree, now."""
        return tree_memory(self.pid)

    def cpu_s(self) -> float:
        """CPU seconds of the whole process tree since its start."""
        root = psutil.Process(self.pid)
        times = [process.cpu_times() for process in [root, *root.children(recursive=True)]]
        return float(sum(time.user + time.system for time in times))


@contextmanager
def run_server(
    contender: Contender, model: str, *, folder: Path | None = None, timeout_s: float = READY_TIMEOUT_S
) -> Iterator[RunningServer]:
    """Start a contender in `folder`, yield it once it is ready, and stop all of it in the end."""
    require_program(contender.name, contender.command[0])
    port, prepared = free_port(), contender.prepare_model(model)

    def fill(template: str) -> str:
        return template.replace("{port}", str(port)).replace("{model}", prepared)

    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            [fill(part) for part in contender.command],
            cwd=folder,
            env=os.environ | {name: fill(value) for name, value in contender.environment.items()},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_until_ready(f"http://127.0.0.1:{port}{contender.ready_path}", process, timeout_s)
            yield RunningServer(contender, port, process.pid, time.perf_counter() - started, log)
        except NotReadyError as error:
            raise ServerError(f"{contender.name}: {error}\n{_tail(log)}") from error
        finally:
            stop_session(process)


def start_servers(
    contenders: Sequence[Contender], model: str, stack: ExitStack, console: Console
) -> list[RunningServer]:
    """Start one after the other, and stop them all when `stack` closes."""
    # Asked to end, as by `timeout`, this process must still stop them: no session leader dies with its parent.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    servers = []
    for contender in contenders:
        with console.status(f"starting {contender.name}"):
            servers.append(stack.enter_context(run_server(contender, model)))
        console.print(f"{contender.name}: ready after {servers[-1].ready_s:.1f} s")
    return servers


def require_program(name: str, program: str) -> None:
    """Raises ServerError, with what to do, for a program that is not installed."""
    if shutil.which(program) is None:
        raise ServerError(f"{name} is not installed: see 'Peers' in benchmarks/README.md")


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody listens on a loopback port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_until_ready(url: str, process: subprocess.Popen[bytes], timeout_s: float) -> None:
    """Poll `url` until it answers 200. Raises NotReadyError when the process ends or time runs out."""
    deadline = time.monotonic() + timeout_s
    while not _answers_ok(url):
        if process.poll() is not None:
            raise NotReadyError(f"ended with status {process.returncode} before it was ready")
        if time.monotonic() > deadline:
            raise NotReadyError(f"not ready after {timeout_s:.0f} s")
        time.sleep(POLL_S)


def stop_session(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to stop, then kill what is left of the session that it leads."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _answers_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1.0) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")[-LOG_TAIL:]
