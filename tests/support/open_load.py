"""An open loop of requests beside a test: each is sent when it is due, whether or not earlier ones are answered."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import aiohttp
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Outcome:
    """When a request was due on the monotonic clock, seconds until its end, its status or the name of its error."""

    due: float
    latency_s: float
    outcome: int | str


class OpenLoad:
    """`rate_per_s` requests a second to /rerank from a thread of its own, without retries, until stopped.

    No two requests are alike, so that no cache answers any of them, unless `query` or `documents` say otherwise.
    """

    def __init__(
        self,
        url: str,
        rate_per_s: float,
        documents: Callable[[int], list[str]] | None = None,
        query: Callable[[int], str] = "query{}".format,
    ) -> None:
        self._url = f"{url}/rerank"
        self._interval_s = 1 / rate_per_s
        self._documents = documents or (lambda number: [f"word{number} beta", f"gamma word{number}"])
        self._query = query
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.outcomes: list[Outcome] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no more, and wait for what is in flight."""
        self._stopped.set()
        self._thread.join(TIMEOUT_S + 10)

    @property
    def counts(self) -> Counter[int | str]:
        """How many requests ended in which way."""
        return Counter(outcome.outcome for outcome in self.outcomes)

    def p99_s(self) -> float:
        """Of the good answers."""
        times = [each.latency_s for each in self.outcomes if each.outcome == 200]
        return float(np.percentile(times, 99))

    async def _run(self) -> None:
        # Without a limit on connections, since a request that waits for one would not have been sent.
        connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as tasks:
            due, number = time.monotonic(), 0
            while not self._stopped.is_set():
                tasks.create_task(self._ask(session, due, number))
                due, number = due + self._interval_s, number + 1
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _ask(self, session: aiohttp.ClientSession, due: float, number: int) -> None:
        body = {"query": self._query(number), "documents": self._documents(number)}
        outcome: int | str
        try:
            async with session.post(self._url, json=body) as response:
                await response.read()
                outcome = response.status
        except (TimeoutError, aiohttp.ClientError) as error:
            outcome = type(error).__name__
        self.outcomes.append(Outcome(due, time.monotonic() - due, outcome))
