"""What happens to the service while Prometheus looks: ordinary load, too much of it, a Redis and a worker that go."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import psutil

from benchmarks.load.exchange import open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.dashboard.traffic import Sent

UNLIMITED, TIMEOUT_S = 0, 60.0
JSON = {"content-type": "application/json"}
CLIENTS, MEASURED_S = 4, 15.0
HANGS_UP_AFTER_S = 0.01
ORDINARY, TOO_MUCH = 0.4, 4.0
# Parts of the whole time.
OVERLOAD_FROM, OVERLOAD_UNTIL = 0.3, 0.45
REDIS_GONE_FROM, REDIS_GONE_UNTIL = 0.55, 0.65
WORKER_KILLED_AT = 0.75


@dataclass(slots=True)
class Incidents:
    """Things to do once, each from its part of the whole time on."""

    waiting: list[tuple[float, Callable[[], object]]] = field(default_factory=list)

    def due(self, part: float) -> None:
        """Do what is due."""
        while self.waiting and self.waiting[0][0] <= part:
            self.waiting.pop(0)[1]()


@dataclass(frozen=True, slots=True)
class Course:
    """So many seconds of load on the service at `url`; its `statuses` are counted."""

    url: str
    seconds: float
    requests: Iterator[Sent]
    incidents: Incidents
    statuses: Counter[str] = field(default_factory=Counter)

    async def run(self) -> float:
        """Returns the requests a second that the service can do, by a closed loop beforehand."""
        async with open_session(UNLIMITED, TIMEOUT_S) as session:
            capacity = await self._capacity(session)
            await self._load(session, capacity)
        return capacity

    async def _capacity(self, session: aiohttp.ClientSession) -> float:
        end, done = time.monotonic() + MEASURED_S, 0

        async def client() -> None:
            nonlocal done
            while time.monotonic() < end:
                await self._post(session, next(self.requests))
                done += 1

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        return done / MEASURED_S

    async def _load(self, session: aiohttp.ClientSession, capacity: float) -> None:
        chance, begun, due = random.Random(1), time.monotonic(), time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            while (part := (due - begun) / self.seconds) < 1:
                factor = TOO_MUCH if OVERLOAD_FROM <= part < OVERLOAD_UNTIL else ORDINARY
                due += chance.expovariate(capacity * factor)
                await asyncio.sleep(due - time.monotonic())
                self.incidents.due(part)
                tasks.create_task(self._post(session, next(self.requests)))

    async def _post(self, session: aiohttp.ClientSession, sent: Sent) -> None:
        try:
            async with asyncio.timeout(HANGS_UP_AFTER_S if sent.hangs_up else None):
                async with session.request(sent.method, self.url + sent.path, data=sent.body, headers=JSON) as answer:
                    await answer.read()
                    self.statuses[str(answer.status)] += 1
        except (TimeoutError, aiohttp.ClientError) as error:
            self.statuses[type(error).__name__] += 1


def kill_a_worker(supervisor: int) -> None:
    """As the kernel does for want of memory."""
    for child in psutil.Process(supervisor).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if any("bentoml_impl.worker" in word for word in child.cmdline()):
                os.kill(child.pid, signal.SIGKILL)
                return
