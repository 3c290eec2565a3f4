"""Throughput of the starter when none, half and all of the pairs are remembered, over a server that remembers none."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rich.progress import track

from benchmarks.harness.contenders import BENTORANK, BULK
from benchmarks.harness.request_sets import Request, rounds_of_requests
from benchmarks.harness.results_files import spread
from benchmarks.harness.servers import run_server
from benchmarks.harness.targets import ServerTarget
from benchmarks.harness.texts import read_sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SEED = 29
OFF = replace(BENTORANK, name="off")
ON = replace(BENTORANK, name="on", environment={"BENTORANK_MODEL": "{model}", **BULK})
SHARES = ("0 %", "50 %", "100 %")


def half_known(known: Sequence[Request], fresh: Sequence[Request]) -> list[Request]:
    """Requests of known queries in which every other document was asked before."""
    return [
        Request(old.query, (*old.documents[::2], *new.documents[::2])) for old, new in zip(known, fresh, strict=True)
    ]


def measure_hits(folder: Path, *, rounds: int, requests: int, documents: int, clients: int) -> dict[str, Any]:
    """Pairs a second of each share of hits over those without a cache, and their CPU, by rounds in one run.

    In a round all answer the same requests; those of the next round lend the documents that nobody knows.
    """
    sets = rounds_of_requests(read_sample(), rounds=rounds + 2, requests=requests, documents=documents, seed=SEED)
    with run_server(OFF, "starter") as off, run_server(ON, "starter") as on:
        plain, remembering = (ServerTarget(server, clients, folder) for server in (off, on))
        for target in (plain, remembering):
            target.measure(sets[-1])
        ratios: dict[str, list[float]] = {share: [] for share in SHARES}
        for number, (mine, next_ones) in track([*enumerate(pairwise(sets[:-1]))], "hits", transient=True):
            turns = (plain, remembering) if number % 2 else (remembering, plain)  # so that drift favours neither
            fresh = {target.name: target.measure(mine) for target in turns}
            without, none = fresh[plain.name], fresh[remembering.name]
            half = remembering.measure(half_known(mine, next_ones))
            everything = remembering.measure(mine)
            for share, measured in zip(SHARES, (none, half, everything), strict=True):
                ratios[share].append(measured["pairs_per_s"] / without["pairs_per_s"])
        memory = {"off": off.memory().rss_mib, "on": on.memory().rss_mib}
    return {"ratios": {share: spread(values) for share, values in ratios.items()}, "rss_mib": memory}
