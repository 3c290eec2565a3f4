"""SIGTERM and SIGINT, once, twice and early: nobody is accepted and then reset, and the end comes soon."""

import http.client
import json
import signal
import sys
import threading
import time

import psutil
import pytest
from support.faulty import rerank
from support.server import Server, running_server, wait_until

pytestmark = pytest.mark.process

BUSY = {"engine": "fake", "fake_batch_delay_ms": 2000, "max_batch_tokens": 16}


@pytest.mark.fault
def test_who_comes_during_shutdown_is_served_or_refused(tmp_path):
    """Never accepted and then reset; and what was in flight is answered."""
    with running_server(tmp_path, **BUSY) as server:
        outcomes = []
        threads = [threading.Thread(target=lambda: outcomes.append(rerank(server.url, ["w"]))) for _ in range(30)]
        threads[0].start()
        time.sleep(0.5)
        server.terminate()
        for thread in threads[1:]:
            thread.start()
            time.sleep(0.05)
        for thread in threads:
            thread.join()
        assert set(outcomes) <= {200, "ConnectionRefusedError"}
        assert {200, "ConnectionRefusedError"} <= set(outcomes)
        assert server.wait() == 0, server.log


def test_a_kept_connection_is_told_that_it_closes(tmp_path):
    """A request on it that was under way when SIGTERM came is answered, with `Connection: close`."""
    with running_server(tmp_path, engine="fake") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", "/readyz")
        assert connection.getresponse().read() is not None
        server.terminate()
        time.sleep(0.4)
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        assert (response.status, response.getheader("connection")) == (503, "close")
        assert json.loads(response.read())["code"] == "unavailable"
        connection.close()
        assert server.wait() == 0, server.log


@pytest.mark.parametrize(
    ("signum", "status"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.fault)]
)
def test_a_second_signal_stops_at_once(tmp_path, signum, status):
    """Whatever is in flight."""
    settings = {"engine": "fake", "fake_batch_delay_ms": 60_000}
    with running_server(tmp_path, stops_cleanly=False, **settings) as server:
        threading.Thread(target=rerank, args=(server.url, ["a"])).start()
        time.sleep(0.5)
        workers = server.worker_pids
        server.process.send_signal(signum)
        time.sleep(0.5)
        assert server.process.poll() is None
        server.process.send_signal(signum)
        assert server.wait(5) == status, server.log
        assert not any(psutil.pid_exists(worker) for worker in workers)
        assert "Traceback" not in server.log, server.log


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_service_that_is_still_loading_stops(tmp_path, signum):
    """Soon, and without complaint."""
    server = Server(tmp_path, engine="fake")
    try:
        wait_until(lambda: server.worker_pids, within_s=30)
        workers = server.worker_pids
        server.process.send_signal(signum)
        # The latter, where it comes before the supervisor looks after its workers.
        assert server.wait(5) in {0, 128 + signum}, server.log
        assert "Traceback" not in server.log, server.log
        wait_until(lambda: not any(psutil.pid_exists(worker) for worker in workers), within_s=5)
    finally:
        server.kill()


def test_a_service_that_converts_its_model_stops(tmp_path):
    """As soon, with the conversion, which leaves nothing behind and is not blamed on the model."""
    server = Server(tmp_path, engine="openvino", precision="f32")

    def conversions():
        return [
            child
            for child in psutil.Process(server.pid).children(recursive=True)
            if "conversion" in str(child.cmdline())
        ]

    try:
        wait_until(conversions, within_s=30)
        time.sleep(1)
        converting = conversions()
        for process in converting:
            process.terminate()
        server.terminate()
        assert server.wait(5) == 0, server.log
        assert not any(process.is_running() for process in converting)
        assert "cannot" not in server.log, server.log
        assert not [path for path in (tmp_path / "cache").rglob("*") if path.suffix in {".xml", ".bin"}]
    finally:
        server.kill()


@pytest.mark.parametrize("after_s", [0.1, 0.3, 0.9, 1.3])
def test_ctrl_c_ends_a_start_without_a_traceback(tmp_path, after_s):
    """Also while modules are imported, before anything of ours runs."""
    server = Server(tmp_path, [sys.executable, "-c", "from bentorank.cli import main; main()", "serve"], engine="fake")
    try:
        time.sleep(after_s)
        server.process.send_signal(signal.SIGINT)
        server.wait(5)
        assert "Traceback" not in server.log, server.log
    finally:
        server.kill()
