"""Open loop: requests start when they are due, whether or not earlier ones are answered. Measures latency."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from benchmarks.load.exchange import Exchanges, exchange, open_session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def poisson_starts(requests: int, rate_per_s: float, seed: int) -> list[float]:
    """Seconds from the start of the run at which independent callers would send."""
    generator = random.Random(seed)
    starts, now = [], 0.0
    for _ in range(requests):
        now += generator.expovariate(rate_per_s)
        starts.append(now)
    return starts


def phased_starts(phases: Sequence[tuple[float, float]], seed: int) -> list[float]:
    """Poisson arrivals whose rate changes: `phases` are (requests a second, seconds), one after the other."""
    starts, begun = [], 0.0
    for number, (rate_per_s, seconds) in enumerate(phases):
        # A Poisson process has no memory: each phase may begin afresh.
        generator, now = random.Random(seed + number), begun
        while (now := now + generator.expovariate(rate_per_s)) < begun + seconds:
            starts.append(now)
        begun += seconds
    return starts


async def run_open_loop(
    url: str,
    bodies: Sequence[bytes],
    starts: Sequence[float],
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
) -> tuple[Exchanges, float]:
    """Send body i at `starts[i]`; also returns the most seconds by which a request was sent late.

    Latency counts from when a request was due: a server that stalls is charged for those who wait outside.
    """
    done = Exchanges()
    latest_s = 0.0
    async with open_session(len(bodies), timeout_s, headers) as session, asyncio.TaskGroup() as tasks:
        for body, start in zip(bodies, starts, strict=True):
            due = done.begun + start
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            latest_s = max(latest_s, time.perf_counter() - due)
            tasks.create_task(exchange(session, url, body, due, done))
    return done, latest_s
