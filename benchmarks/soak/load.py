"""Sends traffic when it is due, whether or not earlier requests are answered, and logs how each ended."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import aiohttp

from benchmarks.load.exchange import open_session
from benchmarks.soak.log import Ended
from benchmarks.soak.traffic import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.soak.traffic import Sent

TIMEOUT_S = 60.0
HANGS_UP_AFTER_S = 0.01
HURRY = {"X-Request-Timeout": "0.001"}
# What waits for a connection would not have been sent.
UNLIMITED = 0
LEFT = "left"


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Poisson, from `begun` on the `monotonic` clock."""

    rate_per_s: float
    seconds: float
    begun: float
    seed: int


async def send_all(url: str, sent: Iterable[Sent], arrivals: Arrivals, log: Callable[[Ended], None]) -> None:
    """Send what is due, and wait for the last answers."""
    generator, due_s = random.Random(arrivals.seed), 0.0
    async with open_session(UNLIMITED, TIMEOUT_S) as session, asyncio.TaskGroup() as tasks:

        async def exchange(request: Sent, due_s: float) -> None:
            outcome = await _post(session, url, request)
            log(Ended(due_s, time.monotonic() - arrivals.begun - due_s, request.kind, outcome))

        for request in sent:
            due_s += generator.expovariate(arrivals.rate_per_s)
            if due_s >= arrivals.seconds:
                return
            await asyncio.sleep(max(0.0, arrivals.begun + due_s - time.monotonic()))
            tasks.create_task(exchange(request, due_s))


async def capacity(url: str, sent: Iterable[Sent], *, clients: int, seconds: float, warm_up_s: float) -> float:
    """Documents a second that so many clients get ranked, each with one request in flight, after a warm-up."""
    answered = 0
    begun = time.monotonic()
    waiting = iter(sent)
    async with open_session(clients, TIMEOUT_S) as session:

        async def client() -> None:
            nonlocal answered
            for request in waiting:
                if time.monotonic() >= begun + warm_up_s + seconds:
                    return
                outcome = await _post(session, url, request)
                if outcome == "200" and begun + warm_up_s <= time.monotonic() < begun + warm_up_s + seconds:
                    answered += request.documents

        await asyncio.gather(*(client() for _ in range(clients)))
    return answered / seconds


async def send_each(url: str, sent: Iterable[Sent], number: int) -> None:
    """So many, one after the other."""
    async with open_session(1, TIMEOUT_S) as session:
        for request in islice(sent, number):
            await _post(session, url, request)


async def _post(session: aiohttp.ClientSession, url: str, sent: Sent) -> str:
    """The status, or the name of what came in its place."""
    headers = HURRY if sent.kind is Kind.HURRIED else None
    hangs_up_after_s = HANGS_UP_AFTER_S if sent.kind is Kind.DISCONNECT else None
    try:
        async with asyncio.timeout(hangs_up_after_s):
            async with session.post(url, data=sent.body, headers=headers) as response:
                await response.read()
                return str(response.status)
    except (TimeoutError, aiohttp.ClientError) as error:
        return LEFT if hangs_up_after_s and isinstance(error, TimeoutError) else type(error).__name__
