"""Closed loop: each client sends its next request when the last is answered. Measures throughput."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from benchmarks.load.exchange import Exchanges, exchange, open_session

if TYPE_CHECKING:
    from collections.abc import Sequence


async def run_closed_loop(
    url: str, bodies: Sequence[bytes], clients: int, timeout_s: float, *, for_s: float = math.inf
) -> Exchanges:
    """Send every body once, `clients` at a time; none that would start later than `for_s`."""
    done = Exchanges()
    stop = time.perf_counter() + for_s
    waiting = iter(bodies)
    async with open_session(clients, timeout_s) as session:

        async def client() -> None:
            for body in waiting:
                if time.perf_counter() > stop:
                    return
                await exchange(session, url, body, time.perf_counter(), done)

        await asyncio.gather(*(client() for _ in range(clients)))
    return done
