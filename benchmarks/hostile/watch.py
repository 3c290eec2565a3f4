"""What becomes of a server under fire: whether it answers, which processes serve, their memory, what they log."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any

import psutil

PROBE_EVERY_S = 0.2
PROBE_TIMEOUT_S = 10.0
TRACEBACK = b"Traceback (most recent call last)"
# The last line of a traceback: a name that may be dotted, and perhaps a message.
EXCEPTION = re.compile(rb"^(?:[a-z_]\w*\.)*([A-Z]\w*)(?::.*)?$")
MIB = 1024 * 1024


class Watch(threading.Thread):
    """Asks for /livez five times a second, each time anew, and looks which workers there are."""

    def __init__(self, port: int, supervisor: int) -> None:
        super().__init__(name="watch", daemon=True)
        self._port = port
        self._supervisor = supervisor
        self._over = threading.Event()
        self.probes_s: list[float] = []
        self.failures: Counter[str] = Counter()
        self.workers = workers_of(supervisor)
        self.replaced_workers = 0

    def run(self) -> None:
        """Until `stop`."""
        while not self._over.wait(PROBE_EVERY_S):
            self._probe()
            now = workers_of(self._supervisor)
            self.replaced_workers += len(now - self.workers)
            self.workers |= now

    def stop(self) -> dict[str, Any]:
        """The figures."""
        self._over.set()
        self.join()
        ordered = sorted(self.probes_s)
        return {
            "probes": len(ordered),
            "failures": dict(self.failures),
            "p50_ms": ordered[len(ordered) // 2] * 1e3,
            "slowest_ms": ordered[-1] * 1e3,
            "workers_replaced": self.replaced_workers,
        }

    def _probe(self) -> None:
        started = time.monotonic()
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PROBE_TIMEOUT_S)
        try:
            connection.request("GET", "/livez")
            status = connection.getresponse().status
            if status != HTTPStatus.OK:
                self.failures[str(status)] += 1
        except (OSError, HTTPException) as error:
            self.failures[type(error).__name__] += 1
        finally:
            connection.close()
        self.probes_s.append(time.monotonic() - started)


def workers_of(supervisor: int) -> frozenset[int]:
    """The processes that serve."""
    children = psutil.Process(supervisor).children(recursive=True)
    return frozenset(child.pid for child in children if _is_worker(child))


def rss_mib(workers: frozenset[int]) -> float:
    """Of the workers, now."""
    return sum(psutil.Process(pid).memory_info().rss for pid in workers if psutil.pid_exists(pid)) / MIB


def client_ports(workers: frozenset[int], port: int) -> set[int]:
    """The ports of clients whose connections the server has not closed."""
    connections = [each for pid in workers if psutil.pid_exists(pid) for each in psutil.Process(pid).net_connections()]
    return {each.raddr.port for each in connections if each.raddr and each.laddr.port == port}


def log_facts(log: bytes) -> dict[str, Any]:
    """Its size, and the tracebacks in it by the exception that ends each."""
    return {
        "lines": log.count(b"\n"),
        "bytes": len(log),
        "tracebacks": log.count(TRACEBACK),
        "exceptions": dict(Counter(_ends(log)).most_common()),
    }


def _ends(log: bytes) -> list[str]:
    """What each traceback ends in: the first unindented line after it that looks like an exception."""
    found = []
    for block in log.split(TRACEBACK)[1:]:
        names = (EXCEPTION.match(line) for line in block.splitlines()[1:] if line[:1].strip())
        found.append(next((name[1].decode() for name in names if name), "unknown"))
    return found


def _is_worker(process: psutil.Process) -> bool:
    try:
        return any("bentoml_impl.worker" in word for word in process.cmdline())
    except psutil.Error:
        return False
