"""Workers that die: another one serves within seconds, the metrics stay right, and nothing is left behind."""

import os
import signal
from pathlib import Path

import psutil
import pytest
from support.callers import Callers
from support.faulty import Load, files_of_metrics, rerank, wait_for_another_worker
from support.metrics import Scrape, settled_scrape
from support.server import BIN, running_server, wait_until

pytestmark = pytest.mark.process

BEGUN_WITHIN_S = 3


def connections(pid):
    """How many connections a process has."""
    return len(psutil.Process(pid).net_connections())


def shared_memory():
    """Segments whose name tells of us."""
    return sorted(path.name for path in Path("/dev/shm").iterdir() if "bento" in path.name or "circus" in path.name)


def test_a_killed_worker_is_replaced_at_once_and_its_gauges_go_with_it(tmp_path):
    """What it was doing is forgotten within one scrape, what it had counted is not, and the loss is counted."""
    settings = {"engine": "fake", "fake_batch_delay_ms": 300, "max_batch_tokens": 16}
    with running_server(tmp_path, **settings) as server:
        assert rerank(server.url, ["a"]) == 200
        tokens, files = settled_scrape(server.url)("rerank_tokens_total"), files_of_metrics(tmp_path)
        assert tokens > 0
        with Load(server.url, clients=8) as load:
            wait_until(lambda: Scrape(server.url)("rerank_active_requests") == 8, within_s=5)
            (worker,) = server.worker_pids
            os.kill(worker, signal.SIGKILL)
            load.stop()
            wait_for_another_worker(server, {worker}, within_s=BEGUN_WITHIN_S)
        server.wait_until_ready()
        after = settled_scrape(server.url)
        assert after("rerank_active_requests") == 0
        assert after("rerank_queue_tokens") == 0
        assert [after(name) for name in ("rerank_workers", "rerank_workers_ready", "rerank_info")] == [1, 1, 1]
        assert after("bentoml_service_request_in_progress", endpoint="/rerank") == 0
        assert after("rerank_tokens_total") >= tokens
        assert after("rerank_worker_restarts_total", reason="died") == 1
        assert files_of_metrics(tmp_path) <= files


@pytest.mark.fault
def test_callers_of_our_client_lose_nothing_with_the_only_worker(tmp_path):
    """What was in flight is asked again, and what comes meanwhile waits for the next worker."""
    settings = {"engine": "fake", "fake_batch_delay_ms": 20, "max_batch_tokens": 64}
    with running_server(tmp_path, **settings) as server, Callers(server.url, 4, pause_s=0.04) as callers:
        for _ in range(3):
            served = len(callers.calls)
            wait_until(lambda: len(callers.calls) > served + 100, within_s=30)  # noqa: B023 - called at once
            (worker,) = server.worker_pids
            os.kill(worker, signal.SIGKILL)
            wait_for_another_worker(server, {worker}, within_s=BEGUN_WITHIN_S)
            server.wait_until_ready()
        callers.stop()
        assert callers.failures == []
        assert settled_scrape(server.url)("rerank_worker_restarts_total", reason="died") == 3


def test_a_worker_lost_while_another_serves_leaves_right_gauges(tmp_path):
    """The other one answers scrapes in the meantime: of its own requests alone, and one of two is ready."""

    def workers():
        scrape = Scrape(server.url)
        return scrape("rerank_workers"), scrape("rerank_workers_ready")

    def active():
        try:
            return Scrape(server.url)("rerank_active_requests")
        except ConnectionError:  # the worker that was killed had just taken the connection
            return None

    settings = {"engine": "fake", "fake_batch_delay_ms": 60_000, "workers": 2}
    with running_server(tmp_path, stops_cleanly=False, **settings) as server, Load(server.url, clients=12) as load:
        wait_until(lambda: Scrape(server.url)("rerank_active_requests") == 12, within_s=10)
        wait_until(lambda: workers() == (2, 2), within_s=10)
        load.stop()
        os.kill(max(server.worker_pids, key=connections), signal.SIGKILL)
        wait_until(lambda: active() == load.active < 12, within_s=3)
        assert workers()[1] == 1
        wait_until(lambda: workers() == (2, 2), within_s=30)
        assert Scrape(server.url)("rerank_info") == 1


@pytest.mark.parametrize(("how", "status"), [pytest.param("[[die]]", 70, marks=pytest.mark.fault), ("SIGKILL", 137)])
def test_in_a_container_a_lost_worker_ends_the_service(tmp_path, how, status):
    """With a status that tells why, though another worker lives: the container's runtime starts all of it again."""
    command = ["env", "BENTOML_CONTAINERIZED=true", str(BIN / "bentoml"), "serve", "bentorank.service:BentoRank"]
    with running_server(tmp_path, command, stops_cleanly=False, engine="fake", workers=2) as server:
        if how == "SIGKILL":
            os.kill(server.worker_pids[0], signal.SIGKILL)
        else:
            rerank(server.url, [how])
        assert server.wait(15) == status, server.log
        assert "Traceback" not in server.log, server.log


@pytest.mark.fault
def test_a_dozen_kills_leave_nothing_behind(tmp_path):
    """No processes, descriptors, shared memory or files of metrics, whether the worker served or was still starting."""
    with running_server(tmp_path, engine="fake") as server:
        supervisor = psutil.Process(server.pid)
        # Until it has printed that, the supervisor's own question whether the service is ready is open.
        wait_until(lambda: "Try it" in server.log, within_s=10)
        before, files = (supervisor.num_fds(), shared_memory()), files_of_metrics(tmp_path)
        for number in range(12):
            (worker,) = server.worker_pids
            if number % 3:
                server.wait_until_ready()
            os.kill(worker, signal.SIGKILL)
            wait_for_another_worker(server, {worker}, within_s=15)
        server.wait_until_ready()
        scrape = settled_scrape(server.url)
        assert scrape("rerank_worker_restarts_total", reason="died") == 12
        assert [scrape(name) for name in ("rerank_active_requests", "bentoml_service_request_in_progress")] == [0, 0]
        assert (supervisor.num_fds(), shared_memory()) == before
        assert files_of_metrics(tmp_path) <= files + 1  # which each kind of metric makes when it is first used
        assert len(supervisor.children(recursive=True)) == 1
