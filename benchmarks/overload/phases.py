"""The loads that a server is put under: as much as it can do, more than that, small requests beside large ones."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import cycle, islice
from math import ceil
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.harness.load_process import run_load
from benchmarks.harness.request_sets import distinct_requests
from benchmarks.harness.targets import write_bodies
from benchmarks.load.exchange import Exchange
from benchmarks.load.open_loop import phased_starts
from benchmarks.overload.measures import (
    Ending,
    Surge,
    answers_per_s,
    during,
    endings,
    goodput,
    latency_ms,
    recovery,
    refusals_by_status,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.harness.request_sets import Request
    from benchmarks.harness.servers import RunningServer
    from benchmarks.harness.texts import Texts

# Callers hang up so long after their deadline, as a server need not know of deadlines.
HANG_UP_AFTER_S = 1.0
# The large requests are in flight before the first small one comes.
LEAD_S = 2.0
# The share of the time in which the clients fall out of step.
BEGINNING = 0.25
# More than any server here answers in that time.
MOST_REQUESTS_OF_CAPACITY = 1_000
# Requests of each size: about as many pairs, but at least two requests.
PAIRS_OF_A_SIZE, MOST_REQUESTS_OF_A_SIZE = 400, 40


@dataclass(frozen=True, slots=True)
class Load:
    """How much is asked of a server. `calm`, `busy` and `small` are shares of its capacity, `overload` a multiple."""

    clients: int = 8
    documents: int = 20
    capacity_s: float = 16.0
    overload: float = 3.0
    overload_s: float = 60.0
    calm: float = 0.5
    calm_s: float = 15.0
    busy: float = 0.8
    busy_s: float = 60.0
    deadline_s: float = 2.0
    small: float = 0.15
    small_documents: int = 8
    small_s: float = 40.0
    hog_documents: int = 512
    hog_clients: int = 2
    sizes: tuple[int, ...] = (1, 5, 20, 100, 500)


class LoadedServer:
    """A running server, and what is asked of it. Bodies and logs are kept in `folder`."""

    def __init__(self, server: RunningServer, texts: Texts, load: Load, folder: Path) -> None:
        self._server = server
        self._texts = texts
        self._load = load
        self._folder = folder
        self._seed = 0

    def warm_up(self) -> None:
        """As for the capacity, but shorter."""
        self._closed(self._load.documents, self._load.clients * 2, self._load.clients)

    def capacity(self) -> dict[str, Any]:
        """Closed loop: pairs per second when there is always enough to do, so without its beginning and its end."""
        load, path = self._load, self._folder / "log.json"
        requests, options = MOST_REQUESTS_OF_CAPACITY, ("--for-s", str(load.capacity_s), "--log", str(path))
        summary = self._closed(load.documents, requests, load.clients, *options)
        steady = answers_per_s(read_log(path), load.capacity_s * BEGINNING, load.capacity_s)
        return summary | {"pairs_per_s": steady * load.documents}

    def busy(self, capacity_pairs_per_s: float) -> dict[str, Any]:
        """Open loop: a load that the server can bear all day."""
        load = self._load
        _, log = self._scheduled([(load.busy * capacity_pairs_per_s / load.documents, load.busy_s)])
        return {
            "requests": len(log),
            "endings": endings(log, load.deadline_s),
            "answered_ms": latency_ms(log, Ending.IN_TIME, load.deadline_s),
        }

    def surge(self, capacity_pairs_per_s: float) -> dict[str, Any]:
        """Open loop: calm, overload, calm, in one run; every request has a deadline."""
        load = self._load
        per_s = capacity_pairs_per_s / load.documents
        calm, overload = (load.calm * per_s, load.calm_s), (load.overload * per_s, load.overload_s)
        surge = Surge(load.calm_s, load.calm_s + load.overload_s, load.deadline_s, load.documents)
        before_s = self._server.cpu_s()
        summary, log = self._scheduled([calm, overload, calm])
        asked = during(log, surge)
        return {
            "offered_pairs_per_s": len(asked) * load.documents / load.overload_s,
            "requests": len(asked),
            "goodput_pairs_per_s": goodput(log, surge),
            "goodput_of_capacity": goodput(log, surge) / capacity_pairs_per_s,
            "endings": endings(asked, load.deadline_s),
            "refused_with": refusals_by_status(asked, load.deadline_s),
            "refused_ms": latency_ms(asked, Ending.REFUSED, load.deadline_s),
            "answered_ms": latency_ms(asked, Ending.IN_TIME, load.deadline_s),
            **recovery(log, surge),
            "generator_cores": summary["generator_cpu_s"] / summary["seconds"],
            "generator_late_ms": summary["latest_start_ms"],
            "server_cores": (self._server.cpu_s() - before_s) / summary["seconds"],
        }

    def fairness(self, capacity_pairs_per_s: float) -> dict[str, Any]:
        """Small requests in an open loop: alone, then beside clients that always have a large one in flight."""
        load = self._load
        rate_per_s = load.small * capacity_pairs_per_s / load.small_documents
        alone = self._small(rate_per_s)
        with ThreadPoolExecutor(1) as beside:
            hog = beside.submit(self._hog)
            time.sleep(LEAD_S)
            return {"rate_per_s": rate_per_s, "alone": alone, "beside": self._small(rate_per_s), "hog": hog.result()}

    def costs(self) -> list[dict[str, Any]]:
        """`cost_of_a_pair` for each size."""
        return [self.cost_of_a_pair(documents) for documents in self._load.sizes]

    def cost_of_a_pair(self, documents: int) -> dict[str, Any]:
        """One request at a time: milliseconds a pair. Its first request, of shapes not met before, does not count."""
        requests = max(2, min(MOST_REQUESTS_OF_A_SIZE, PAIRS_OF_A_SIZE // documents))
        self._closed(documents, 1, 1)
        summary = self._closed(documents, requests, 1)
        failed = sum(summary["failures"].values())
        return {
            "documents": documents,
            "requests": requests,
            "failed": failed,
            "ms_per_pair": 1e3 * summary["seconds"] / summary["pairs"] if summary["pairs"] else None,
            "p50_ms": summary["latency_ms"].get("p50"),
        }

    def _small(self, rate_per_s: float) -> dict[str, Any]:
        count = ceil(rate_per_s * self._load.small_s)
        bodies = self._bodies("small", self._load.small_documents, count)
        return run_load(self._server.rerank_url, bodies, "--rate-per-s", str(rate_per_s))

    def _hog(self) -> dict[str, Any]:
        load = self._load
        requests = len(self._texts.queries)
        return self._closed(load.hog_documents, requests, load.hog_clients, "--for-s", str(LEAD_S + load.small_s))

    def _closed(self, documents: int, requests: int, clients: int, *options: str) -> dict[str, Any]:
        bodies = self._bodies("closed", documents, requests)
        return run_load(self._server.rerank_url, bodies, "--clients", str(clients), *options)

    def _scheduled(self, phases: list[tuple[float, float]]) -> tuple[dict[str, Any], list[Exchange]]:
        """The summary and the log of Poisson arrivals, (requests a second, seconds) for each phase."""
        starts = phased_starts(phases, self._next_seed())
        schedule, log = self._folder / "starts.json", self._folder / "log.json"
        schedule.write_bytes(orjson.dumps(starts))
        deadline_s = self._load.deadline_s
        summary = run_load(
            self._server.rerank_url,
            self._bodies("scheduled", self._load.documents, len(starts)),
            *("--starts", str(schedule), "--log", str(log)),
            *("--deadline-s", str(deadline_s), "--timeout-s", str(deadline_s + HANG_UP_AFTER_S)),
        )
        return summary, read_log(log)

    def _bodies(self, name: str, documents: int, requests: int) -> Path:
        path = self._folder / f"{name}.jsonl"
        found = islice(endless_requests(self._texts, documents, self._next_seed()), requests)
        write_bodies(path, list(found), self._server.contender.write_body)
        return path

    def _next_seed(self) -> int:
        self._seed += 1
        return self._seed


def read_log(path: Path) -> list[Exchange]:
    """What the load generator has logged."""
    return [Exchange(**exchange) for exchange in orjson.loads(path.read_bytes())]


def endless_requests(texts: Texts, documents: int, seed: int) -> Iterator[Request]:
    """Requests of `documents` passages each, the same again when the texts run out, which a cache would gain by.

    A request of more passages than there are has some of them twice.
    """
    copies = ceil(documents / len(texts.passages))
    return cycle(distinct_requests(replace(texts, passages=texts.passages * copies), documents, seed))
