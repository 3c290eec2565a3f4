"""Callers who come when they come, however long others wait: an open loop over loopback."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# Cached scores would be no load.
HEADERS = {"cache-control": "no-store"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """How one request ended: when it was due after the run began, its latency from then, its status and headers."""

    due_s: float
    latency_s: float
    status: int
    retry_after: str | None


def arrivals(phases: Iterable[tuple[float, float]], seed: int = 1) -> list[float]:
    """Poisson arrivals in seconds: requests a second and seconds of each phase."""
    chance = random.Random(seed)
    due, begin = [], 0.0
    for per_s, seconds in phases:
        now = begin + chance.expovariate(per_s)
        while now < begin + seconds:
            due.append(now)
            now += chance.expovariate(per_s)
        begin += seconds
    return due


def ask(
    url: str, due: Sequence[float], body: Callable[[int], dict[str, Any]], *, deadline_s: float = 30.0
) -> list[Exchange]:
    """POST /rerank at the times that are `due`, with `body(number)`."""
    return asyncio.run(_ask(f"{url}/rerank", due, body, deadline_s))


async def _ask(
    url: str, due: Sequence[float], body: Callable[[int], dict[str, Any]], deadline_s: float
) -> list[Exchange]:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    headers = {**HEADERS, "x-request-timeout": str(deadline_s)}
    async with httpx2.AsyncClient(limits=limits, headers=headers, timeout=60, verify=False, trust_env=False) as client:
        began = time.monotonic()

        async def ask_at(number: int) -> Exchange:
            await asyncio.sleep(began + due[number] - time.monotonic())
            response = await client.post(url, json=body(number))
            latency_s = time.monotonic() - began - due[number]
            return Exchange(due[number], latency_s, response.status_code, response.headers.get("retry-after"))

        return await asyncio.gather(*map(ask_at, range(len(due))))


def answered(exchanges: Iterable[Exchange]) -> list[Exchange]:
    """Those that were ranked."""
    return [exchange for exchange in exchanges if exchange.status == httpx2.codes.OK]


def percentile_s(exchanges: Iterable[Exchange], share: float) -> float:
    """The latency that so large a share of them does not exceed."""
    latencies = sorted(exchange.latency_s for exchange in exchanges)
    return latencies[min(len(latencies) - 1, int(share * len(latencies)))]
