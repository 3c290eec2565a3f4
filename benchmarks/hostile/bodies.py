"""What hostile bodies cost the service: the longest silence of `/livez`, growth of memory, time to the answer."""

from __future__ import annotations

import http.client
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import psutil
import typer
from rich.console import Console

from benchmarks.harness.contenders import BENTORANK
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.results_files import RESULTS, machine_sentence, markdown_table, write_results
from benchmarks.harness.servers import run_server
from benchmarks.hostile.bombs import BOMBS
from benchmarks.hostile.watch import workers_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness.contender import Contender
    from benchmarks.hostile.bombs import Bomb

MIB = 1024 * 1024
PROBE_EVERY_S = 0.005
ANSWER_WITHIN_S = 180.0
# A process that has grown by more starts the next body afresh: memory that is free again hides growth.
FRESH_AFTER_MIB = 64


@dataclass(slots=True)
class Cost:
    """What one body did. `status` is 0 where the connection ended without an answer."""

    name: str
    path: str
    body_mib: float
    status: int
    answer_s: float
    silent_s: float
    probes: int
    grown_mib: float


class Prober:
    """Asks for `/livez` again and again on one connection; keeps the longest time to an answer."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_WITHIN_S)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.longest_s = 0.0
        self.answered = 0

    def __enter__(self) -> Self:
        self._ask()
        self.longest_s, self.answered = 0.0, 0
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while not self._done.wait(PROBE_EVERY_S):
            self._ask()

    def _ask(self) -> None:
        started = time.perf_counter()
        try:
            self._connection.request("GET", "/livez")
            self._connection.getresponse().read()
            self.answered += 1
        except (OSError, http.client.HTTPException):
            self._connection.close()
        self.longest_s = max(self.longest_s, time.perf_counter() - started)


@contextmanager
def fresh_peak(pid: int) -> Iterator[list[float]]:
    """Afterwards the list holds by how many MiB the process grew at its peak; Linux counts the peak itself."""
    before = psutil.Process(pid).memory_info().rss / MIB
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    grown: list[float] = []
    yield grown
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    peak_kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    grown.append(peak_kib / 1024 - before)


def measure(bomb: Bomb, port: int, pid: int) -> Cost:
    """Send it, while somebody asks for `/livez`."""
    body = bomb.make()
    with fresh_peak(pid) as grown, Prober(port) as prober:
        time.sleep(10 * PROBE_EVERY_S)
        started = time.perf_counter()
        status = send(port, bomb.path, body)
        answer_s = time.perf_counter() - started
    return Cost(
        bomb.name, bomb.path, len(body) / MIB, status, answer_s, prober.longest_s, prober.answered, round(grown[0], 1)
    )


def send(port: int, path: str, body: bytes) -> int:
    """Post it; the status of the answer, 0 where the connection ended without one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("POST", path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return 0
    else:
        return response.status
    finally:
        connection.close()


def measure_all(bombs: list[Bomb], contender: Contender, console: Console) -> Iterator[Cost]:
    """All of them, on as few servers as their growth allows."""
    waiting = list(bombs)
    while waiting:
        with run_server(contender, "fake") as server:
            (pid,) = workers_of(server.pid)
            grown = 0.0
            while waiting and grown < FRESH_AFTER_MIB:
                cost = measure(waiting.pop(0), server.port, pid)
                console.print(" ".join(_row(cost)))
                grown += max(cost.grown_mib, 0.0)
                yield cost
                if not psutil.pid_exists(pid):
                    break


def as_markdown(result: dict[str, Any]) -> str:
    """A row for each body."""
    header = ["body", "route", "MiB", "status", "answer s", "`/livez` silent s", "grown MiB"]
    rows = [_row(Cost(**cost)) for cost in result["costs"]]
    title = (
        "One body at a time, fake engine, default limits. Beside it `/livez` is asked for every 5 ms: the longest time"
        " to an answer is how long the event loop stood still. Grown is the worker's peak above what it had before the"
        " body."
    )
    return "\n\n".join(("# Hostile bodies", title, markdown_table(header, rows), machine_sentence(result["machine"])))


def _row(cost: Cost) -> list[str]:
    return [
        cost.name,
        f"`{cost.path}`",
        f"{cost.body_mib:.1f}",
        str(cost.status),
        f"{cost.answer_s:.2f}",
        f"{cost.silent_s:.3f}",
        f"{cost.grown_mib:.0f}",
    ]


def main(
    *,
    only: Annotated[str, typer.Option(help="Bodies with this in their name.")] = "",
    program: Annotated[str, typer.Option(help="The `bentorank` to measure; this environment's unless given.")] = "",
    out: Annotated[Path, typer.Option(help="Folder of hostile_bodies.json and hostile_bodies.md.")] = RESULTS,
) -> None:
    """Send each body once to a service with the fake engine."""
    command = BENTORANK.command if not program else (program, *BENTORANK.command[1:])
    contender = replace(BENTORANK, command=command, environment={"BENTORANK_ENGINE": "fake"})
    console = Console()
    costs = list(measure_all([bomb for bomb in BOMBS if only in bomb.name], contender, console))
    result = {"machine": asdict(describe_machine()), "costs": [asdict(cost) for cost in costs]}
    write_results(out, "hostile_bodies", result, as_markdown(result))
    console.print(as_markdown(result))


if __name__ == "__main__":
    typer.run(main)
