"""`rerank_workers_ready` looks as /readyz looks, whether or not anybody asks that."""

import os
import signal

import pytest
from support.faulty import rerank
from support.metrics import Scrape
from support.server import running_server, wait_until

pytestmark = pytest.mark.process


def workers(server):
    """How many there are, and how many of them are ready."""
    scrape = Scrape(server.url)
    return scrape("rerank_workers"), scrape("rerank_workers_ready")


def test_an_engine_that_fails_is_not_ready_until_it_is_well(tmp_path):
    """Nobody asks /readyz meanwhile: the metric has the engine tried again by itself, then a drain ends it."""
    with running_server(tmp_path, engine="fake", drain_s=3) as server:
        assert workers(server) == (1, 1)
        assert [rerank(server.url, ["[[down]]"]) for _ in range(6)] == [500] * 6
        wait_until(lambda: workers(server) == (1, 0), within_s=3)
        assert server.status_of("/readyz") == 503
        wait_until(lambda: workers(server) == (1, 1), within_s=10)
        server.terminate()
        wait_until(lambda: workers(server) == (1, 0), within_s=2)
        assert server.status_of("/readyz") == 503


def test_a_killed_worker_is_neither_living_nor_ready(tmp_path):
    """The other one answers scrapes: one of two until the next has loaded, and what serves is told once throughout."""
    with running_server(tmp_path, engine="fake", workers=2) as server:
        wait_until(lambda: workers(server) == (2, 2), within_s=30)
        os.kill(server.worker_pids[0], signal.SIGKILL)
        wait_until(lambda: workers(server) == (1, 1), within_s=2, every_s=0.01)
        wait_until(lambda: workers(server) == (2, 2), within_s=30)
        assert Scrape(server.url)("rerank_info") == 1
