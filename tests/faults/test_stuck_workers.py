"""Workers that hang or are stopped: they are replaced, and until then nobody waits longer than asked for."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.faulty import rerank, wait_for_another_worker
from support.metrics import Scrape
from support.server import BIN, running_server, wait_until

pytestmark = [pytest.mark.process, pytest.mark.fault]

BEGUN_WITHIN_S = 15
SERVE = [str(BIN / "bentoml"), "serve", "bentorank.service:BentoRank"]
HANGING = {"engine": "fake", "fake_batch_delay_ms": 60_000}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_is_stopped_is_replaced(tmp_path, workers):
    """The others go on meanwhile."""
    with running_server(tmp_path, engine="fake", workers=workers) as server:
        # One of two serves before the other is there.
        wait_until(lambda: len(server.worker_pids) == workers)
        old = set(server.worker_pids)
        os.kill(min(old), signal.SIGSTOP)
        wait_for_another_worker(server, old, within_s=BEGUN_WITHIN_S)
        server.wait_until_ready()
        assert rerank(server.url, ["a"]) == 200
        assert Scrape(server.url)("rerank_worker_restarts_total", reason="silent") == 1, server.log
        assert len(server.worker_pids) == workers


def test_a_hanging_forward_pass_ends_its_worker(tmp_path):
    """Deadlines hold while it hangs; who waits longer is told to come back; /livez says so; another worker starts."""
    with running_server(tmp_path, **HANGING) as server, ThreadPoolExecutor(3) as threads:
        old, began = set(server.worker_pids), time.monotonic()
        short = [threads.submit(rerank, server.url, ["a"], deadline_s=seconds) for seconds in (1, 3)]
        long = threads.submit(rerank, server.url, ["a"])
        for seconds, request in zip((1, 3), short, strict=True):
            assert request.result() == 504
            assert time.monotonic() - began < seconds + 0.7
        assert long.result() == 503
        assert server.status_of("/livez", timeout_s=1) != 200
        assert time.monotonic() - began < 13
        wait_for_another_worker(server, old, within_s=began + BEGUN_WITHIN_S - time.monotonic())
        server.wait_until_ready()
        assert Scrape(server.url)("rerank_worker_restarts_total", reason="stalled") == 1


def test_in_a_container_a_hanging_forward_pass_ends_the_service(tmp_path):
    """With a status of its own."""
    with (
        running_server(
            tmp_path, ["env", "BENTOML_CONTAINERIZED=true", *SERVE], stops_cleanly=False, **HANGING
        ) as server,
        ThreadPoolExecutor(1) as threads,
    ):
        request = threads.submit(rerank, server.url, ["a"])
        assert server.wait(BEGUN_WITHIN_S) == 75, server.log
        assert request.result() == 503


@pytest.mark.parametrize("fault", ["stopped", "hanging"])
def test_sigterm_ends_a_service_whose_worker_is_stuck(tmp_path, fault):
    """Within the grace that its settings give."""
    with running_server(tmp_path, request_timeout_s=5, **HANGING) as server, ThreadPoolExecutor(1) as threads:
        if fault == "stopped":
            os.kill(server.worker_pids[0], signal.SIGSTOP)
        else:
            threads.submit(rerank, server.url, ["a"])
            time.sleep(0.5)
        server.terminate()
        assert server.wait(15) == 0, server.log
