"""Sends a load to a running server from several processes, and puts together what they saw."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.harness.contender import native_body
from benchmarks.harness.request_sets import distinct_requests
from benchmarks.harness.targets import write_bodies
from benchmarks.harness.texts import read_sample
from benchmarks.load.summary import percentiles_ms

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.device.plan import Load
    from benchmarks.harness.servers import RunningServer

SEED = 19
CLIENTS_A_PROCESS = 4
MOST_PROCESSES = 8
# Different requests that a process has; 40 MB of bodies would be no better.
BODIES = 60
# For what a stopped clock cannot hold: reading the answers, and the last of them.
GRACE_S = 30.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of a load: for its processes to start, that do not count, and that do."""

    lead_s: float
    warm_s: float
    for_s: float

    @property
    def total_s(self) -> float:
        """What a load takes, with the reading of its answers."""
        return self.lead_s + self.warm_s + self.for_s + 1.0


FULL = Timing(1.0, 1.2, 4.0)
SHORT = Timing(3.0, 0.5, 2.0)


def drive(server: RunningServer, load: Load, timing: Timing, folder: Path) -> dict[str, Any]:
    """Throughput, latency, the service's own timings, and the cores it took. Raises RuntimeError without answers."""
    processes = min(MOST_PROCESSES, -(-load.clients // CLIENTS_A_PROCESS))
    begin = time.monotonic() + timing.lead_s
    running = []
    for number in range(processes):
        bodies = _bodies(load.documents, number, folder)
        clients = load.clients // processes + (number < load.clients % processes)
        running.append(_start(server.rerank_url, bodies, clients, begin, timing))
    time.sleep(max(0.0, begin - time.monotonic()))
    cpu_s, begun = server.cpu_s(), time.monotonic()
    time.sleep(timing.warm_s + timing.for_s)
    cores = (server.cpu_s() - cpu_s) / (time.monotonic() - begun)
    parts = [_answer_of(process) for process in running]
    if None in parts or not any(part["answered"] for part in parts):
        raise RuntimeError(f"no answers: {[part and part['failures'] for part in parts]}\n{_last_lines(server)}")
    return _together(load, parts, timing.for_s) | {"server_cores": cores, "load_processes": processes}


def _last_lines(server: RunningServer) -> str:
    return "\n".join(server.log().decode(errors="replace").splitlines()[-8:])


def _start(url: str, bodies: Path, clients: int, begin: float, timing: Timing) -> subprocess.Popen[bytes]:
    command = [
        *(sys.executable, "-m", "benchmarks.device.load", "--url", url, "--bodies", str(bodies)),
        *("--clients", str(clients), "--begin", str(begin)),
        *("--warm-s", str(timing.warm_s), "--for-s", str(timing.for_s)),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def _answer_of(process: subprocess.Popen[bytes]) -> Any:  # noqa: ANN401 - its JSON
    """What it saw; None where it failed or does not end."""
    try:
        return orjson.loads(process.communicate(timeout=GRACE_S)[0] or b"null")
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def _bodies(documents: int, process: int, folder: Path) -> Path:
    """A file of requests, other ones for each process; written once."""
    path = folder / f"{documents}-{process}.jsonl"
    if not path.exists():
        source = distinct_requests(read_sample(), documents, SEED + process)
        write_bodies(path, [next(source) for _ in range(BODIES)], native_body)
    return path


def _together(load: Load, parts: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    answered = sum(part["answered"] for part in parts)
    failures: Counter[str] = Counter()
    for part in parts:
        failures.update(part["failures"])
    return {
        "pairs_per_s": answered * load.documents / seconds,
        "answered": answered,
        "failures": dict(failures),
        "latency_ms": percentiles_ms(list(chain.from_iterable(part["latencies_s"] for part in parts))),
        "timings_ms_p50": {
            name: median(chain.from_iterable(part["timings_ms"][name] for part in parts))
            for name in parts[0]["timings_ms"]
        },
    }
