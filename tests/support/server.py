"""A real server process, started the way a user starts it."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from support.fetching import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
# A busy machine starts slowly.
READY_WITHIN_S = 90.0
STOPPED_WITHIN_S = 40.0


def free_port() -> int:
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition: Callable[[], object], within_s: float = READY_WITHIN_S, every_s: float = 0.05) -> None:
    """Return as soon as `condition()` is true; fails after `within_s`."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"not so within {within_s} s"
        time.sleep(every_s)


def environment(home: Path, **settings: object) -> dict[str, str]:
    """The tests' environment without its BENTORANK_ settings, with `settings` and folders of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("BENTO")}
    home.mkdir(parents=True, exist_ok=True)
    return {
        **inherited,
        "BENTOML_HOME": str(home / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTORANK_CACHE_DIR": str(home / "cache"),
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "200",
        **{f"BENTORANK_{name.upper()}": str(value) for name, value in settings.items()},
    }


def run_command(
    home: Path, *command: str, timeout_s: float = 60, folder: Path = REPOSITORY, **settings: object
) -> subprocess.CompletedProcess:
    """Run `bentorank …` in `folder` to its end; output and errors come together in `stdout`."""
    return subprocess.run(
        [str(BIN / "bentorank"), *command],
        env=environment(home, **settings),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )


class Server:
    """A serving process: its address, its log, its pids. Use `running_server`."""

    def __init__(
        self,
        home: Path,
        command: Sequence[str] | None = None,
        *,
        at: int | None = None,
        folder: Path = REPOSITORY,
        **settings: object,
    ) -> None:
        """`at` is its port; a free one unless given. `folder` is where it is started."""
        self.port = at or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = home / "server.log"
        env = environment(home, **settings, port=self.port)
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*(command or (str(BIN / "bentorank"), "serve")), *(("--port", str(self.port)) if command else ())],
                env=env,
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The supervisor."""
        return self.process.pid

    @property
    def worker_pids(self) -> list[int]:
        """The processes that hold a model."""
        children = psutil.Process(self.pid).children(recursive=True)
        return [child.pid for child in children if _is_worker(child)]

    @property
    def log(self) -> str:
        """Everything that the server and its workers have written."""
        return self._log.read_text(errors="replace")

    def status_of(self, path: str, timeout_s: float = 2.0) -> int | None:
        """The status of a GET, None if there is no answer."""
        try:
            return fetch(self.url + path, timeout_s)[0]
        except (OSError, http.client.HTTPException):
            return None

    def is_ready(self) -> bool:
        """Whether /readyz says so."""
        return self.status_of("/readyz") == 200

    def wait_until_ready(self, within_s: float = READY_WITHIN_S) -> None:
        """Fails with the log if the process ends or is not ready in time."""
        end = time.monotonic() + within_s
        while not self.is_ready():
            assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log}"
            assert time.monotonic() < end, f"the server is not ready after {within_s} s:\n{self.log}"
            time.sleep(0.1)

    def terminate(self) -> None:
        """Send SIGTERM to the supervisor, as an orchestrator does."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self, within_s: float = STOPPED_WITHIN_S) -> int:
        """The exit status, once the process has ended."""
        return self.process.wait(within_s)

    def kill(self) -> None:
        """End the process and its workers, however they are."""
        with contextlib.suppress(psutil.NoSuchProcess):
            # Workers lead sessions of their own, so they are found by their parent, while it lives.
            for process in [*psutil.Process(self.pid).children(recursive=True), self.process]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self.process.wait(STOPPED_WITHIN_S)


def _is_worker(process: psutil.Process) -> bool:
    try:
        return any("bentoml_impl.worker" in word for word in process.cmdline())
    except psutil.Error:
        return False


@contextlib.contextmanager
def running_server(
    home: Path, command: Sequence[str] | None = None, *, stops_cleanly: bool = True, **settings: object
) -> Iterator[Server]:
    """A server that is ready; stopped by SIGTERM afterwards, which must end it with status 0."""
    home.mkdir(parents=True, exist_ok=True)
    server = Server(home, command, **settings)
    try:
        server.wait_until_ready()
        yield server
        if stops_cleanly and server.process.poll() is None:
            server.terminate()
            assert server.wait() == 0, server.log
    finally:
        server.kill()
