"""The ways to one and two instances that are compared, each as a target of the same requests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmarks.harness.contenders import BENTORANK, BULK, FRESH_SCORES
from benchmarks.harness.load_process import run_load
from benchmarks.harness.proxies import run_proxy
from benchmarks.harness.servers import run_server
from benchmarks.harness.targets import write_bodies

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from benchmarks.harness.contender import Contender
    from benchmarks.harness.request_sets import Request
    from benchmarks.harness.servers import RunningServer

PROXIES = ("haproxy", "nginx")

# Its forward pass takes time and no core, as one on a GPU of its own does: 128 tokens in 20 ms.
FAKE = replace(
    BENTORANK,
    environment={
        **FRESH_SCORES,
        **BULK,
        "BENTORANK_ENGINE": "fake",
        "BENTORANK_MAX_BATCH_TOKENS": "128",
        "BENTORANK_FAKE_TOKEN_DELAY_US": "150",
    },
)
# A GPU that is never full: 3 ms a pass, whatever is in it. One Python process is the limit.
FAKE_LARGE = replace(
    BENTORANK,
    environment={
        **FRESH_SCORES,
        **BULK,
        "BENTORANK_ENGINE": "fake",
        "BENTORANK_MAX_BATCH_TOKENS": "32768",
        "BENTORANK_FAKE_BATCH_DELAY_MS": "3",
    },
)
# Its forward pass takes no time: what is left is HTTP.
FAKE_AT_ONCE = replace(BENTORANK, environment={**FRESH_SCORES, **BULK, "BENTORANK_ENGINE": "fake"})


@dataclass(frozen=True, slots=True)
class Way:
    """A port that leads to one or two instances, under a closed loop of `clients`."""

    name: str
    port: int
    clients: int
    folder: Path

    def measure(self, requests: Sequence[Request]) -> dict[str, Any]:
        """A `LoadSummary`."""
        bodies = self.folder / "bodies.jsonl"
        write_bodies(bodies, requests, BENTORANK.write_body)
        return run_load(f"http://127.0.0.1:{self.port}/rerank", bodies, "--clients", str(self.clients))


def direct_and_proxied(contender: Contender, stack: ExitStack, clients: int, folder: Path) -> Iterator[Way]:
    """To one instance: asked itself, and through each proxy."""
    port = _start(contender, stack).port
    yield Way("direct", port, clients, folder)
    for proxy in PROXIES:
        yield Way(proxy, stack.enter_context(run_proxy(proxy, (port, port))), clients, folder)


def one_and_two(contender: Contender, stack: ExitStack, clients: int, folder: Path) -> Iterator[Way]:
    """To one instance, asked itself, and to two of them through each proxy."""
    first, second = (_start(contender, stack).port for _ in range(2))
    yield Way("one", first, clients, folder)
    for proxy in PROXIES:
        port = stack.enter_context(run_proxy(proxy, (first, second)))
        yield Way(f"two, {proxy}", port, clients, folder)


def workers_of_one(contender: Contender, stack: ExitStack, clients: int, folder: Path) -> Iterator[Way]:
    """To one instance of one, two and three workers, which share a port."""
    for workers in (1, 2, 3):
        environment = contender.environment | {"BENTORANK_WORKERS": str(workers)}
        shared = replace(contender, name=f"{workers} workers", environment=environment)
        yield Way(f"{workers} workers" if workers > 1 else "1 worker", _start(shared, stack).port, clients, folder)


def whole_and_halves(stack: ExitStack, clients: int, folder: Path) -> Iterator[Way]:
    """The starter on all cores in one instance, and on half of them in each of two."""
    whole = _start(replace(BENTORANK, name="all cores"), stack)
    yield Way("one on all cores", whole.port, clients, folder)
    halves = [_start(_on_core(core), stack).port for core in range(2)]
    port = stack.enter_context(run_proxy("haproxy", (halves[0], halves[1])))
    yield Way("two on one core each, haproxy", port, clients, folder)


def _on_core(core: int) -> Contender:
    return replace(BENTORANK, name=f"core {core}", command=("taskset", "--cpu-list", str(core), *BENTORANK.command))


def _start(contender: Contender, stack: ExitStack) -> RunningServer:
    return stack.enter_context(run_server(contender, "starter"))
