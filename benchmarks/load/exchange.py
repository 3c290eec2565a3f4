"""One HTTP exchange and its time, and the client session that all exchanges of a run share."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

HTTP_OK = 200


@dataclass(frozen=True, slots=True)
class Exchange:
    """How one request ended: `due_s` after the run began, latency, and the status or the name of the client's error."""

    due_s: float
    latency_s: float
    outcome: str

    @property
    def ended_s(self) -> float:
        """After the run began."""
        return self.due_s + self.latency_s

    @property
    def is_answered(self) -> bool:
        """Whether the documents were ranked."""
        return self.outcome == str(HTTP_OK)


@dataclass(slots=True)
class Exchanges:
    """What came back: seconds of the answers, answers to be counted after the run, and failures by kind.

    `begun` is on the `perf_counter` clock; `log` has all exchanges in the order in which they ended.
    """

    seconds: list[float] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    log: list[Exchange] = field(default_factory=list)
    begun: float = field(default_factory=time.perf_counter)

    def results(self) -> int:
        """Number of scored documents in all answers."""
        return sum(_count_results(answer) for answer in self.answers)


def open_session(connections: int, timeout_s: float, headers: Mapping[str, str] | None = None) -> aiohttp.ClientSession:
    """A session with keep-alive and as many connections as there can be requests in flight."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        headers={"Content-Type": "application/json", **(headers or {})},
    )


async def exchange(session: aiohttp.ClientSession, url: str, body: bytes, started: float, into: Exchanges) -> None:
    """Send a body that is already encoded; `started` is the `perf_counter` time from which latency counts."""
    try:
        async with session.post(url, data=body) as response:
            answer, outcome = await response.read(), str(response.status)
    except (TimeoutError, aiohttp.ClientError) as error:
        answer, outcome = b"", type(error).__name__
    ended = Exchange(started - into.begun, time.perf_counter() - started, outcome)
    into.log.append(ended)
    if not ended.is_answered:
        into.failures[outcome] += 1
        return
    into.seconds.append(ended.latency_s)
    into.answers.append(answer)


def _count_results(answer: bytes) -> int:
    """Results of a native, Cohere or Jina answer, or of a bare list as TEI gives it."""
    parsed = orjson.loads(answer)
    return len(parsed if isinstance(parsed, list) else parsed["results"])
