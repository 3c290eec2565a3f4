"""Spoilt HTTP over raw sockets against a server process: does it live, answer, keep its log and its memory small?

Case N of a seed is always the same bytes: `--case N` sends that one alone and shows the answer's statuses.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path  # noqa: TC003  typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated, Any
from urllib.request import urlopen

import orjson
import typer
from rich.console import Console

from benchmarks.harness.contenders import BENTORANK, FRESH_SCORES
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.results_files import RESULTS, write_results
from benchmarks.harness.servers import run_server
from benchmarks.hostile.fuzz_report import Tally, as_markdown
from benchmarks.hostile.mutations import case_of, valid_case
from benchmarks.hostile.raw_client import RawClient
from benchmarks.hostile.seeds import Seed, seeds_of
from benchmarks.hostile.watch import Watch, client_ports, log_facts, rss_mib, workers_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.harness.servers import RunningServer
    from benchmarks.hostile.mutations import Case

FAKE = replace(BENTORANK, environment={"BENTORANK_ENGINE": "fake", **FRESH_SCORES})
PATIENCE_S = 3.0
WARM_UP_REQUESTS = 200
CLOSING_S = 2.0


def read_seeds(port: int) -> tuple[Seed, ...]:
    """Of the server itself."""
    with urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=30) as response:
        return seeds_of(orjson.loads(response.read()))


async def fuzz(client: RawClient, cases: Iterator[Case], tally: Tally, *, clients: int, until: float) -> None:
    """Send cases, `clients` at a time, until that time."""

    async def one_after_the_other() -> None:
        while time.monotonic() < until:
            case = next(cases)
            try:
                tally.add(case, await client.send(case))
            except OSError as error:
                tally.unreachable[type(error).__name__] += 1
                await asyncio.sleep(0.1)

    await asyncio.gather(*(one_after_the_other() for _ in range(clients)))


async def attack(server: RunningServer, seeds: Sequence[Seed], setup: dict[str, Any], tally: Tally) -> dict[str, Any]:
    """Warm up, fuzz, let held connections run out, and count."""
    await warm_up(server.port, seeds)
    before = rss_mib(workers_of(server.pid))
    watch, client = Watch(server.port, server.pid), RawClient(server.port, PATIENCE_S)
    watch.start()
    numbered = (case_of(number, setup["seed"], seeds) for number in itertools.count())
    until = time.monotonic() + setup["minutes"] * 60
    await fuzz(client, numbered, tally, clients=setup["clients"], until=until)
    probes = watch.stop()
    await asyncio.sleep(setup["settle_s"])
    open_ports = client_ports(workers_of(server.pid), server.port)
    still_open = Counter(held.kind for held in client.held if held.local_port in open_ports)
    for held in client.held:
        held.writer.transport.abort()
    await asyncio.sleep(CLOSING_S)
    workers = workers_of(server.pid)
    return {
        "livez": probes,
        "rss_mib": {"before": before, "after": rss_mib(workers)},
        "connections": {
            "held": len(client.held),
            "held_still_open": dict(still_open),
            "open_after": len(client_ports(workers, server.port)),
        },
    }


async def warm_up(port: int, seeds: Sequence[Seed]) -> None:
    """What a server allocates once is no growth."""
    client = RawClient(port, PATIENCE_S)
    for seed in itertools.islice(itertools.cycle(seeds), WARM_UP_REQUESTS):
        await client.send(valid_case(seed))


def replay(number: int, seed: int) -> None:
    """Send one case to a fresh server and show what came of it."""
    with run_server(FAKE, "fake") as server:
        case = case_of(number, seed, read_seeds(server.port))
        outcome = asyncio.run(RawClient(server.port, PATIENCE_S).send(case))
        Console().print(f"{case.kind}, {len(case.data)} bytes, then {case.ending}: {outcome}", markup=False)
        Console().print(log_facts(server.log()))


def write_bytes(folder: Path, tally: Tally) -> None:
    """The bytes of the first case of each kind of server error, a file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for (status, kind), cases in tally.server_errors.items():
        (folder / f"{status}-{kind.replace(' ', '-')}-{cases[0].number}.bin").write_bytes(cases[0].data)


def main(  # noqa: PLR0913  each parameter is one option
    *,
    minutes: Annotated[float, typer.Option(min=0.01, help="How long requests are sent.")] = 3.0,
    clients: Annotated[int, typer.Option(min=1, help="Connections at a time.")] = 32,
    seed: Annotated[int, typer.Option(help="Another one spoils otherwise.")] = 1,
    settle_s: Annotated[float, typer.Option(min=0, help="Until held connections must have ended.")] = 75.0,
    case: Annotated[int | None, typer.Option(help="Send this one alone.")] = None,
    server_errors: Annotated[Path | None, typer.Option(help="Folder for requests that ended in 5xx.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of hostile_fuzz.json and hostile_fuzz.md.")] = RESULTS,
) -> None:
    """Fuzz a server with the fake engine and default settings."""
    if case is not None:
        replay(case, seed)
        return
    setup = {"minutes": minutes, "clients": clients, "seed": seed, "settle_s": settle_s}
    console, tally = Console(), Tally()
    with run_server(FAKE, "fake") as server, console.status("fuzzing"):
        found = asyncio.run(attack(server, read_seeds(server.port), setup, tally))
        found["log"] = log_facts(server.log())
    if server_errors is not None:
        write_bytes(server_errors, tally)
    result = {"machine": asdict(describe_machine()), "setup": setup, "sent": tally.as_json(), **found}
    write_results(out, "hostile_fuzz", result, as_markdown(result))
    console.print(as_markdown(result), markup=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
