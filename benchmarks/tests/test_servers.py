"""Server processes start, are waited for, measured and gone afterwards."""

from __future__ import annotations

import sys

import psutil
import pytest

from benchmarks.harness.contender import Contender
from benchmarks.harness.servers import ServerError, run_server

HTTP_SERVER = Contender(
    name="files",
    command=(sys.executable, "-m", "http.server", "{port}", "--bind", "127.0.0.1"),
    ready_path="/",
)
# A child that outlives its parent's SIGTERM, as a careless supervisor leaves it.
WITH_CHILD = Contender(
    name="parent",
    command=("sh", "-c", f"{sys.executable} -m http.server {{port}} --bind 127.0.0.1 & sleep 60"),
    ready_path="/",
)


def test_a_server_is_ready_inside_and_gone_after() -> None:
    """Its memory and processor time are known while it runs."""
    with run_server(HTTP_SERVER, "model") as server:
        memory = server.memory()
        assert 0 < server.ready_s < 30
        assert server.cpu_s() > 0
        assert memory.rss_mib == pytest.approx(sum(process.rss_mib for process in memory.processes))
        pid = server.pid
    assert not psutil.pid_exists(pid)


def test_children_are_counted_and_stopped() -> None:
    """The whole tree is measured, and nothing of it stays."""
    with run_server(WITH_CHILD, "model") as server:
        assert len(server.memory().processes) >= 2
        children = psutil.Process(server.pid).children(recursive=True)
    psutil.wait_procs(children, timeout=5)
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


def test_a_server_that_ends_early_shows_its_log() -> None:
    """The error carries what the program said."""
    broken = Contender("broken", (sys.executable, "-c", "raise SystemExit('no such model {model}')"), "/")
    problem = r"broken: ended with status 1(.|\n)*no such model starter"
    with pytest.raises(ServerError, match=problem), run_server(broken, "starter"):
        pass


def test_a_server_that_is_never_ready_is_given_up() -> None:
    """Waiting has an end."""
    idle = Contender("idle", (sys.executable, "-c", "import time; time.sleep(60)"), "/")
    with pytest.raises(ServerError, match="idle: not ready after 1 s"), run_server(idle, "model", timeout_s=1):
        pass
