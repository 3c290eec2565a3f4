"""One of several GPUs is lost: its worker leaves, the others serve on, and it returns with its GPU."""

import pytest
from support.callers import Callers
from support.faulty import rerank
from support.metrics import Scrape
from support.server import Server, running_server, wait_until

pytestmark = [pytest.mark.process, pytest.mark.fault]


@pytest.fixture
def gpus(tmp_path):
    """A folder with three GPUs of the fake engine."""
    folder = tmp_path / "gpus"
    folder.mkdir()
    for number in range(3):
        (folder / str(number)).touch()
    return folder


def ready(server):
    """How many workers are, as metrics say."""
    return Scrape(server.url)("rerank_workers_ready")


def test_one_gpu_lost_the_rest_serve_on(tmp_path, gpus):
    """Callers notice nothing; its worker ends with a status of its own, is tried again, and serves once it can."""
    with running_server(tmp_path / "home", engine="fake", workers=3, fake_gpus=gpus) as server:
        wait_until(lambda: ready(server) == 3, within_s=30)
        with Callers(server.url, 6, pause_s=0.02) as callers:
            (gpus / "1").unlink()
            # It notices with its next request, of which the client's retry finds another worker.
            wait_until(lambda: "(cannot_start, status 78)" in server.log, within_s=60)
            assert "(device_lost, status 74)" in server.log
            wait_until(lambda: ready(server) == 2, within_s=5)
            served = len(callers.calls)
            wait_until(lambda: len(callers.calls) > served + 50, within_s=30)
            scrape = Scrape(server.url)
            assert scrape("rerank_worker_restarts_total", reason="device_lost") == 1
            assert scrape("rerank_worker_restarts_total", reason="cannot_start") >= 1
            assert server.process.poll() is None
            (gpus / "1").touch()
            wait_until(lambda: ready(server) == 3, within_s=90)
        assert callers.failures == []
        assert "Traceback" not in server.log, server.log


def test_a_gpu_that_is_missing_at_the_start_leaves_the_others(tmp_path, gpus):
    """Its worker is refused while the others still load, which ends nothing."""
    (gpus / "0").unlink()
    with running_server(tmp_path / "home", engine="fake", workers=3, fake_gpus=gpus) as server:
        wait_until(lambda: ready(server) == 2, within_s=30)
        assert [rerank(server.url, ["a"]) for _ in range(10)] == [200] * 10


def test_without_any_gpu_the_service_ends(tmp_path, gpus):
    """Nobody could serve, so whoever supervises the process has to see it fail."""
    for number in range(3):
        (gpus / str(number)).unlink()
    (tmp_path / "home").mkdir()
    server = Server(tmp_path / "home", engine="fake", workers=3, fake_gpus=gpus)
    try:
        assert server.wait(60) == 1, server.log
        assert "cannot start: the fake engine's GPU is not there" in server.log
    finally:
        server.kill()
