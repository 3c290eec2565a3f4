"""SIGTERM, killed workers, a dying model thread: nobody's answer is lost that could be given, and service returns."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import psutil
import pytest
from support.metrics import Scrape
from support.server import Server, running_server, wait_until

pytestmark = pytest.mark.process

# BentoML's supervisor looks after its workers every 10 s; then a worker starts.
RESPAWNED_WITHIN_S = 60


def rerank(url, documents, timeout=30):
    return httpx2.post(
        f"{url}/rerank", json={"query": "a", "documents": documents}, timeout=timeout, trust_env=False, verify=False
    )


def test_sigterm_answers_everybody_first(tmp_path):
    """With `drain_s` /readyz says 503 at once while new requests are still served; what runs is finished; status 0."""
    with (
        running_server(tmp_path, engine="fake", fake_batch_delay_ms=300, max_batch_tokens=16, drain_s=2) as server,
        ThreadPoolExecutor(8) as threads,
    ):
        running = [threads.submit(rerank, server.url, ["w " * 10] * 3) for _ in range(4)]
        time.sleep(0.2)
        server.terminate()
        wait_until(lambda: server.status_of("/readyz") == 503, within_s=1.5)
        # Probes that say no are no requests that were refused.
        assert server.status_of("/v1/health/ready") == 503
        assert Scrape(server.url)("rerank_edge_refusals_total") == 0
        late = [threads.submit(rerank, server.url, ["w"]) for _ in range(2)]
        assert server.status_of("/livez") == 200
        assert server.status_of("/health") == 503
        wait_until(lambda: Scrape(server.url)("rerank_workers_ready") == 0, within_s=1.5)
        assert [request.result().status_code for request in running + late] == [200] * 6
        assert server.wait() == 0, server.log


def test_sigterm_without_a_drain_finishes_what_runs(tmp_path):
    """Requests in flight are answered, then the process ends with status 0."""
    with (
        running_server(tmp_path, engine="fake", fake_batch_delay_ms=300, max_batch_tokens=16) as server,
        ThreadPoolExecutor(4) as threads,
    ):
        running = [threads.submit(rerank, server.url, ["w " * 10] * 2) for _ in range(4)]
        time.sleep(0.4)
        server.terminate()
        assert [request.result().status_code for request in running] == [200] * 4
        assert server.wait() == 0, server.log


def test_a_lost_worker_is_replaced(tmp_path):
    """Whether its model thread dies (it leaves by itself) or it is killed: a new worker serves within seconds."""
    with running_server(tmp_path, engine="fake") as server:
        (first,) = server.worker_pids
        with pytest.raises(httpx2.TransportError):
            rerank(server.url, ["[[die]]"])
        wait_until(lambda: first not in server.worker_pids, within_s=5)
        server.wait_until_ready(RESPAWNED_WITHIN_S)
        assert rerank(server.url, ["a"]).status_code == 200
        assert "the model thread died: SystemExit" in server.log
        assert Scrape(server.url)("rerank_worker_restarts_total", reason="model_thread_died") == 1

        (second,) = server.worker_pids
        assert second != first
        os.kill(second, signal.SIGKILL)
        wait_until(lambda: second not in server.worker_pids, within_s=5)
        server.wait_until_ready(RESPAWNED_WITHIN_S)
        assert rerank(server.url, ["a"]).status_code == 200


def test_a_worker_does_not_outlive_its_supervisor(tmp_path):
    """Killed without a word, the supervisor leaves no process behind that would hold the port against the next."""
    with running_server(tmp_path, engine="fake") as server:
        workers = server.worker_pids
        assert workers
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        wait_until(lambda: not any(psutil.pid_exists(worker) for worker in workers), within_s=10)
        assert server.status_of("/livez") is None


def test_a_worker_that_still_starts_does_not_outlive_its_supervisor_either(tmp_path):
    """Gone before the worker first looked who its supervisor is."""
    server = Server(tmp_path, engine="fake")
    try:
        wait_until(lambda: server.worker_pids, within_s=30, every_s=0.01)
        workers = server.worker_pids
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        wait_until(lambda: not any(psutil.pid_exists(worker) for worker in workers), within_s=30)
    finally:
        server.kill()
