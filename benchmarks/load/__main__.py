"""Sends prepared bodies to a server on this machine and prints a JSON summary."""

from __future__ import annotations

import asyncio
import gc
import math
import time
from pathlib import Path  # noqa: TC003  typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import orjson
import typer
import uvloop

from benchmarks.load.closed_loop import run_closed_loop
from benchmarks.load.open_loop import poisson_starts, run_open_loop
from benchmarks.load.summary import summarise

if TYPE_CHECKING:
    from benchmarks.load.exchange import Exchanges

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main(  # noqa: PLR0913  each parameter is one option
    *,
    url: Annotated[str, typer.Option(help="Where to POST; this machine only.")],
    bodies: Annotated[Path, typer.Option(help="One JSON body a line.")],
    clients: Annotated[int, typer.Option(min=1, help="Closed loop: requests in flight.")] = 8,
    for_s: Annotated[float, typer.Option(min=0, help="Closed loop: start no request later than this.")] = math.inf,
    rate_per_s: Annotated[float | None, typer.Option(min=1e-3, help="Open loop: requests a second.")] = None,
    seed: Annotated[int, typer.Option(help="Open loop: seed of the Poisson arrivals.")] = 0,
    starts: Annotated[Path | None, typer.Option(help="Open loop: JSON list of when, in s, each body is due.")] = None,
    deadline_s: Annotated[float | None, typer.Option(help="Open loop: what requests give as their deadline.")] = None,
    timeout_s: Annotated[float, typer.Option(help="Of one request.")] = 120.0,
    limit_s: Annotated[float, typer.Option(help="Of the whole run.")] = 600.0,
    log: Annotated[Path | None, typer.Option(help="Where to write every exchange, as a JSON list.")] = None,
) -> None:
    """Run a closed loop, or an open one where a rate or starts are given."""
    if urlsplit(url).hostname not in LOOPBACK:
        raise typer.BadParameter("load goes to a server on this machine only", param_hint="--url")
    lines = bodies.read_bytes().splitlines()
    # A collection in mid-run would be charged to the server.
    gc.disable()
    cpu, begun = time.process_time(), time.perf_counter()
    headers = {} if deadline_s is None else {"X-Request-Timeout": str(deadline_s)}
    if starts is not None:
        load = run_open_loop(url, lines, orjson.loads(starts.read_bytes()), timeout_s, headers)
    elif rate_per_s is not None:
        load = run_open_loop(url, lines, poisson_starts(len(lines), rate_per_s, seed), timeout_s, headers)
    else:
        load = _closed(url, lines, clients, timeout_s, for_s)
    done, latest_s = uvloop.run(asyncio.wait_for(load, limit_s))
    seconds, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    if log is not None:
        log.write_bytes(orjson.dumps(done.log))
    summary = summarise(done, seconds=seconds, cpu_s=cpu_s, latest_s=latest_s)
    typer.echo(orjson.dumps(summary).decode())


async def _closed(
    url: str, bodies: list[bytes], clients: int, timeout_s: float, for_s: float
) -> tuple[Exchanges, float]:
    return await run_closed_loop(url, bodies, clients, timeout_s, for_s=for_s), 0.0


if __name__ == "__main__":
    typer.run(main)
