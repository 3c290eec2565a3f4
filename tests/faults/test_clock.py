"""A wall clock that jumps: deadlines, heartbeats and waits are on the monotonic clock, so nobody notices."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from support.faulty import rerank, wait_for_another_worker
from support.fetching import fetch
from support.metrics import settled_scrape
from support.server import BIN, running_server
from support.shifted_clock import ShiftedClock

pytestmark = [pytest.mark.process, pytest.mark.fault]

HOUR_S = 3600
PASS_S = 0.8


def hours_ahead(server):
    """Of the service's wall clock before ours."""
    told = orjson.loads(fetch(f"{server.url}/health")[1])["timestamp"]
    return (datetime.fromisoformat(told) - datetime.now(UTC)) / timedelta(hours=1)


def test_a_clock_that_jumps_ends_nothing_early_or_late(tmp_path):
    """An hour forth and two back, while requests run: deadlines hold, and no worker is taken for silent or stuck."""
    clock = ShiftedClock(tmp_path)
    command = clock.command(str(BIN / "bentorank"), "serve")
    settings = {"engine": "fake", "fake_batch_delay_ms": PASS_S * 1000, "streams": 1}
    with running_server(tmp_path / "home", command, **settings) as server, ThreadPoolExecutor(8) as threads:
        workers = server.worker_pids
        for jump in (HOUR_S, -HOUR_S):
            running = [threads.submit(rerank, server.url, [f"{number} {jump}"], deadline_s=10) for number in range(4)]
            time.sleep(PASS_S / 2)
            clock.shift(jump)
            assert hours_ahead(server) == pytest.approx(jump / HOUR_S, abs=0.1)
            assert [request.result() for request in running] == [200] * 4
            # Longer than a worker may be silent, or a pass may take, or a speed is known by which it would be refused.
            time.sleep(11)
            began = time.monotonic()
            assert rerank(server.url, [f"late {jump}"], deadline_s=PASS_S / 2) == 504
            assert PASS_S / 2 - 0.1 < time.monotonic() - began < PASS_S / 2 + 0.4
        assert server.worker_pids == workers
        assert settled_scrape(server.url)("rerank_requests_total", status="504") == 2
        assert settled_scrape(server.url)("rerank_worker_restarts_total") == 0
        # An hour behind, the supervisor still looks after its workers.
        os.kill(workers[0], signal.SIGKILL)
        wait_for_another_worker(server, set(workers), within_s=3)
        server.wait_until_ready()
        assert rerank(server.url, ["a"]) == 200
        assert settled_scrape(server.url)("rerank_worker_restarts_total", reason="died") == 1
