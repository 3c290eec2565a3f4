"""One of the load processes: closed loop over prepared bodies for some seconds, begun at a given moment.

Several run at a time and begin together, so that a fast service is not measured by the speed of one client.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
import time
from pathlib import Path  # noqa: TC003  typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
import uvloop

from benchmarks.load.exchange import Exchanges, exchange, open_session

if TYPE_CHECKING:
    from collections.abc import Iterable

TIMEOUT_S = 20.0
TIMINGS = ("queue", "tokenize", "inference", "total")


async def drive(url: str, bodies: Iterable[bytes], clients: int, begin: float, seconds: float) -> Exchanges:
    """Keep `clients` requests in flight from `begin`, on the monotonic clock, or from now if that has passed."""
    async with open_session(clients, TIMEOUT_S) as session:
        await asyncio.sleep(max(0.0, begin - time.monotonic()))
        done = Exchanges()
        until = time.monotonic() + seconds
        waiting = iter(bodies)

        async def client() -> None:
            while time.monotonic() < until:
                await exchange(session, url, next(waiting), time.perf_counter(), done)

        await asyncio.gather(*(client() for _ in range(clients)))
    return done


def within(done: Exchanges, warm_s: float, seconds: float) -> dict[str, Any]:
    """What was answered in the measured time, whenever it was sent."""
    answered = [exchange for exchange in done.log if exchange.is_answered]
    measured = [index for index, one in enumerate(answered) if warm_s <= one.ended_s < warm_s + seconds]
    timings = [orjson.loads(done.answers[index])["timings_ms"] for index in measured]
    return {
        "answered": len(measured),
        "failures": dict(done.failures),
        "latencies_s": [answered[index].latency_s for index in measured],
        "timings_ms": {name: [timing[name] for timing in timings] for name in TIMINGS},
    }


def main(  # noqa: PLR0913  each parameter is one option
    *,
    url: Annotated[str, typer.Option(help="Where to POST.")],
    bodies: Annotated[Path, typer.Option(help="One JSON body a line; they are sent again and again.")],
    clients: Annotated[int, typer.Option(min=1, help="Requests in flight.")],
    begin: Annotated[float, typer.Option(help="Moment of the monotonic clock.")],
    warm_s: Annotated[float, typer.Option(help="Seconds that do not count.")],
    for_s: Annotated[float, typer.Option(help="Seconds that count.")],
) -> None:
    """Print one JSON object."""
    lines = bodies.read_bytes().splitlines()
    # A collection in mid-run would be charged to the server.
    gc.disable()
    done = uvloop.run(drive(url, itertools.cycle(lines), clients, begin, warm_s + for_s))
    sys.stdout.write(orjson.dumps(within(done, warm_s, for_s)).decode())


if __name__ == "__main__":
    typer.run(main)
