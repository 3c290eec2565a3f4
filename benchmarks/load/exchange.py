"""One HTTP exchange and its time, and the client session that all exchanges of a run share."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp
import orjson

HTTP_OK = 200


@dataclass(slots=True)
class Exchanges:
    """What came back: seconds of the answers, answers to be counted after the run, and failures by kind."""

    seconds: list[float] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    def results(self) -> int:
        """Number of scored documents in all answers."""
        return sum(_count_results(answer) for answer in self.answers)


def open_session(connections: int, timeout_s: float) -> aiohttp.ClientSession:
    """A session with keep-alive and as many connections as there can be requests in flight."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        headers={"Content-Type": "application/json"},
    )


async def exchange(session: aiohttp.ClientSession, url: str, body: bytes, started: float, into: Exchanges) -> None:
    """Send a body that is already encoded; `started` is the `perf_counter` time from which latency counts."""
    try:
        async with session.post(url, data=body) as response:
            answer = await response.read()
    except (TimeoutError, aiohttp.ClientError) as error:
        into.failures[type(error).__name__] += 1
        return
    if response.status != HTTP_OK:
        into.failures[str(response.status)] += 1
        return
    into.seconds.append(time.perf_counter() - started)
    into.answers.append(answer)


def _count_results(answer: bytes) -> int:
    """Results of a native, Cohere or Jina answer, or of a bare list as TEI gives it."""
    parsed = orjson.loads(answer)
    return len(parsed if isinstance(parsed, list) else parsed["results"])
