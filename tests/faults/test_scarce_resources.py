"""No memory, no file descriptors, no room on the disk: refusals instead of crashes, and all is well afterwards."""

import contextlib
import http.client
import json
import resource
import select
import shutil
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from support.faulty import rerank
from support.memory_limit import limited_memory
from support.metrics import Scrape, settled_scrape
from support.open_load import OpenLoad
from support.server import BIN, running_server, wait_until

pytestmark = pytest.mark.process

LARGEST_BODY = 10 * 1024 * 1024
DESCRIPTORS = 128


def largest_request():
    """A thousand documents that fill a body; one emoji each, so that Python needs four bytes a character."""
    document = "alpha beta gamma " * 600 + "\U0001f600"
    body = json.dumps({"query": "alpha", "documents": [document] * 1000}, ensure_ascii=False).encode()
    assert LARGEST_BODY * 0.9 < len(body) <= LARGEST_BODY
    return body


def post(url, body, timeout_s=90):
    """Status and `Retry-After`, or the name of the error."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=timeout_s)
    try:
        # A refusal may come and the connection end before the body is sent: it can be read all the same.
        with contextlib.suppress(BrokenPipeError):
            connection.request("POST", "/rerank", body, {"content-type": "application/json"})
        response = connection.getresponse()
        response.read()
        return response.status, response.getheader("retry-after")
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__, None
    finally:
        connection.close()


def status_on(connection, path, **headers):
    """Of a GET on a connection that stays open."""
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    response.read()
    return response.status


def is_ended(connection):
    """Whether the server has closed its end."""
    readable, _, _ = select.select([connection.sock], [], [], 0.2)
    return bool(readable) and connection.sock.recv(1) == b""


@contextlib.contextmanager
def idle_connections(server, count):
    """So many connections on each of which half a head was sent."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=5))
            with contextlib.suppress(OSError):
                connection.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n")
        yield


@pytest.fixture(scope="module")
def cramped(fleet):
    """A server with room for three connections and one body and a half."""
    settings = {"max_body_bytes": 2000, "max_bodies_bytes": 3000, "max_connections": 3, "fake_batch_delay_ms": 1000}
    return fleet("cramped", engine="fake", **settings)


def test_bodies_that_do_not_fit_together_are_refused(cramped):
    """At once, with `Retry-After`; what is being worked on is finished, and then there is room again."""
    body = json.dumps({"query": "a", "documents": ["b" * 1800]}).encode()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(post, cramped.url, body)
        wait_until(lambda: Scrape(cramped.url)("rerank_active_requests") == 1, within_s=5)
        began = time.monotonic()
        assert post(cramped.url, body) == (429, "1")
        assert time.monotonic() - began < 0.5
        assert rerank(cramped.url, ["small"]) == 200
        assert first.result() == (200, None)
    assert post(cramped.url, body) == (200, None)
    assert Scrape(cramped.url)("rerank_edge_refusals_total", code="overloaded") == 1


def test_large_bodies_that_do_not_end_keep_no_ordinary_request_out(service):
    """While three of the largest trickle in, a hundred documents are ranked; only another large body is refused."""
    head = (
        f"POST /rerank HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {LARGEST_BODY}\r\n\r\n"
    )
    ordinary = json.dumps({"query": "a", "documents": ["word " * 480] * 100}).encode()
    large = json.dumps({"query": "a", "documents": ["word " * 960] * 1000}).encode()
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=10))
            connection.sendall(head.encode() + b" " * (LARGEST_BODY - 1))
        wait_until(lambda: post(service.url, large) == (429, "1"), within_s=5)
        assert post(service.url, ordinary) == (200, None)
    wait_until(lambda: post(service.url, large)[0] != 429, within_s=5)


@pytest.mark.fault
def test_the_largest_requests_do_not_exhaust_the_memory(tmp_path):
    """Fifty at once with 200 MB to spare: each is answered or told to come back, and the worker lives."""
    with running_server(tmp_path, engine="fake") as server:
        workers, body = server.worker_pids, largest_request()
        with limited_memory([server.pid, *workers], more_mib=200), ThreadPoolExecutor(50) as threads:
            outcomes = Counter(status for status, _ in threads.map(lambda _: post(server.url, body), range(50)))
        assert set(outcomes) <= {200, 429, 503, 504}, outcomes
        assert outcomes[200] > 0
        assert server.worker_pids == workers
        scrape = settled_scrape(server.url)
        assert scrape("rerank_worker_restarts_total") == 0
        refused = scrape("rerank_edge_refusals_total", code="overloaded") + scrape(
            "rerank_requests_total", status="429"
        )
        assert refused == outcomes[429] > 0


@pytest.mark.fault
def test_a_worker_that_the_kernel_kills_for_its_memory_is_replaced(tmp_path):
    """And the loss is counted."""
    with running_server(tmp_path, engine="fake") as server:
        (worker,) = server.worker_pids
        with limited_memory([worker], more_mib=8):
            assert post(server.url, largest_request())[0] not in (200, 429)
            wait_until(lambda: not psutil.pid_exists(worker), within_s=10)
        server.wait_until_ready()
        assert rerank(server.url, ["a"]) == 200
        assert settled_scrape(server.url)("rerank_worker_restarts_total", reason="died") == 1


@pytest.mark.fault
def test_more_connections_than_descriptors(tmp_path):
    """New ones are told so instead of being reset, kept ones are served, and all is well once the others leave."""
    if shutil.which("prlimit") is None:
        pytest.skip("there is no prlimit here")
    keys = tmp_path / "keys"
    keys.write_text("first-key-0001\n")
    command = ["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}", str(BIN / "bentorank"), "serve"]
    with running_server(tmp_path / "home", command, engine="fake", log_level="warning", api_keys_file=keys) as server:
        (worker,) = server.worker_pids
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)) as kept:
            kept.connect()
            with idle_connections(server, 500):
                assert psutil.Process(worker).num_fds() < DESCRIPTORS
                assert post(server.url, b"{}", timeout_s=5) == (503, "1")
                # Files are read for keys and for metrics.
                keys.write_text("second-key-0002\n")
                wait_until(
                    lambda: status_on(kept, "/v1/models", authorization="Bearer second-key-0002") == 200, within_s=5
                )
                assert status_on(kept, "/metrics") == 200
            began = time.monotonic()
            wait_until(server.is_ready, within_s=5)
            assert time.monotonic() - began < 2
        assert server.worker_pids == [worker]
        assert Scrape(server.url)("rerank_edge_refusals_total", code="unavailable") > 400
        wait_until(lambda: settled_scrape(server.url)("rerank_connections") == 1, within_s=5)
        assert server.log.count("more connections than the limit") <= 2


def test_kept_connections_make_room_for_new_ones(cramped):
    """The one on which nothing was asked for the longest is closed."""
    with contextlib.ExitStack() as stack:
        connections = [http.client.HTTPConnection("127.0.0.1", cramped.port, timeout=5) for _ in range(4)]
        for connection in connections:
            stack.callback(connection.close)
        for connection in [*connections[:3], connections[0], connections[3]]:
            assert status_on(connection, "/readyz") == 200
        assert [is_ended(connection) for connection in connections] == [False, True, False, False]


@pytest.mark.fault
def test_a_thousand_idle_connections_cost_little(tmp_path):
    """50 MB at most, and others are answered as fast as before."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with running_server(tmp_path, engine="fake") as server, contextlib.ExitStack() as stack:
        worker = psutil.Process(server.worker_pids[0])
        with OpenLoad(server.url, 40) as before:
            time.sleep(4)
        rss = worker.memory_info().rss
        for _ in range(1000):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
            stack.callback(connection.close)
            assert status_on(connection, "/readyz") == 200
        with OpenLoad(server.url, 40) as beside:
            time.sleep(4)
        assert Scrape(server.url)("rerank_connections") > 1000
        assert worker.memory_info().rss - rss < 50e6
        assert set(beside.counts) == {200}
        assert beside.p99_s() < max(2 * before.p99_s(), 0.1)


def test_a_full_disk_under_the_metrics_stops_no_request(tmp_path):
    """Writing what the disk cannot hold would kill the process. It says so once, and counts on when there is room."""
    if shutil.which("bwrap") is None:
        pytest.skip("there is no bubblewrap here")
    folder = tmp_path / "bentoml" / "prometheus_multiproc_dir"
    folder.mkdir(parents=True)
    disk = ["--size", str(1 << 16), "--tmpfs", str(folder)]
    command = ["bwrap", "--dev-bind", "/", "/", *disk, "--die-with-parent", str(BIN / "bentorank"), "serve"]
    with running_server(tmp_path, command, engine="fake", stops_cleanly=False) as server:
        workers = server.worker_pids
        ballast = Path(f"/proc/{workers[0]}/root{folder}/ballast")
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        # Each status, route and dialect adds series, for which the files would have to grow.
        for number in range(20):
            assert rerank(server.url, ["a", "[[poison]]"] if number % 2 else ["a"]) == (500 if number % 2 else 200)
            assert server.status_of(f"/nothing/{number}") == 404
        assert server.worker_pids == workers
        assert server.log.count("the disk has no room") == 1
        ballast.unlink()
        wait_until(lambda: Scrape(server.url)("rerank_requests_total") == 20, within_s=12, every_s=0.5)
        assert rerank(server.url, ["a"]) == 200
        assert settled_scrape(server.url)("rerank_requests_total", status="200") == 11
