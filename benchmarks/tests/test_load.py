"""The load generator sends what it should when it should, and counts what came back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
import pytest
from aiohttp import web

from benchmarks.load.closed_loop import run_closed_loop
from benchmarks.load.open_loop import phased_starts, poisson_starts, run_open_loop
from benchmarks.load.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from benchmarks.load.exchange import Exchanges

SERVICE_S = 0.05
BODIES = [orjson.dumps({"documents": ["d"] * (number + 1)}) for number in range(6)]


class SlowServer:
    """Answers after 50 ms, one request at a time; remembers what came and how many were inside at once."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.deadlines: set[str | None] = set()
        self.most_inside = 0
        self._inside = 0
        self._turn = asyncio.Lock()

    async def answer(self, request: web.Request) -> web.Response:
        self._inside += 1
        self.most_inside = max(self.most_inside, self._inside)
        body = await request.read()
        self.bodies.append(body)
        self.deadlines.add(request.headers.get("X-Request-Timeout"))
        async with self._turn:
            await asyncio.sleep(SERVICE_S)
        self._inside -= 1
        documents = orjson.loads(body)["documents"]
        if len(documents) == 3:
            return web.json_response({"error": "busy"}, status=429)
        return web.json_response({"results": documents})


def serve(
    load: Callable[[str], Coroutine[object, object, Exchanges]],
) -> tuple[SlowServer, Exchanges]:
    """Run a load against the slow server."""

    async def run() -> tuple[SlowServer, Exchanges]:
        server, app = SlowServer(), web.Application()
        app.router.add_post("/rerank", server.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            return server, await load(f"http://127.0.0.1:{port}/rerank")
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def test_the_closed_loop_keeps_its_clients_busy() -> None:
    """Every body goes out once, never more than two at a time; a refusal is a failure and no result."""
    server, done = serve(lambda url: run_closed_loop(url, BODIES, clients=2, timeout_s=10))
    assert sorted(server.bodies) == sorted(BODIES)
    assert server.most_inside == 2
    assert done.failures == {"429": 1}
    summary = summarise(done, seconds=2.0, cpu_s=0.0)
    assert (summary.requests, summary.pairs, summary.pairs_per_s) == (6, 18, 9.0)


def test_a_closed_loop_that_is_over_starts_no_more() -> None:
    """What was sent by then is still answered."""
    server, done = serve(lambda url: run_closed_loop(url, BODIES, clients=2, timeout_s=10, for_s=0.0))
    assert len(server.bodies) < len(BODIES)
    assert len(done.answers) + done.failures.total() == len(server.bodies)


def test_the_open_loop_counts_from_when_a_request_was_due() -> None:
    """All six are due at once at a server that takes them in turn: the last one waited for the others."""

    async def load(url: str) -> Exchanges:
        done, latest_s = await run_open_loop(url, BODIES, [0.0] * len(BODIES), timeout_s=10)
        assert latest_s < SERVICE_S
        return done

    server, done = serve(load)
    assert server.most_inside == len(BODIES)
    assert max(done.seconds) > 5 * SERVICE_S


def test_a_server_that_is_not_there_is_counted() -> None:
    """A refused connection is a failure by name; without any answer there are no percentiles."""
    done = asyncio.run(run_closed_loop("http://127.0.0.1:9/rerank", BODIES, clients=2, timeout_s=2))
    summary = summarise(done, seconds=1.0, cpu_s=0.0)
    assert summary.failures == {"ClientConnectorError": 6}
    assert (summary.pairs, summary.latency_ms) == (0, {})


def test_poisson_starts_keep_the_rate() -> None:
    """A thousand arrivals at 50 a second take about 20 s, in order, the same for the same seed."""
    starts = poisson_starts(1000, 50, seed=1)
    assert starts == sorted(starts) == poisson_starts(1000, 50, seed=1)
    assert starts[-1] == pytest.approx(20, rel=0.15)


def test_arrivals_follow_the_phases() -> None:
    """Ten seconds at 5 a second, then as many at 50: in order, the first phase alike whatever comes after it."""
    starts = phased_starts([(5, 10), (50, 10)], seed=1)
    assert starts == sorted(starts)
    calm = [start for start in starts if start < 10]
    assert calm == phased_starts([(5, 10)], seed=1)
    assert len(calm) == pytest.approx(50, rel=0.4)
    assert len(starts) - len(calm) == pytest.approx(500, rel=0.15)
    assert starts[-1] < 20


def test_the_log_has_every_exchange() -> None:
    """When it was due, how long it took and how it ended; the deadline travels in a header."""

    async def load(url: str) -> Exchanges:
        starts = [0.0, 0.1, 0.2]
        done, _ = await run_open_loop(url, BODIES[:3], starts, timeout_s=10, headers={"X-Request-Timeout": "2.5"})
        return done

    server, done = serve(load)
    assert server.deadlines == {"2.5"}
    assert [(pytest.approx(each.due_s), each.outcome) for each in done.log] == [
        (0.0, "200"),
        (0.1, "200"),
        (0.2, "429"),
    ]
    assert all(each.latency_s >= SERVICE_S for each in done.log)
