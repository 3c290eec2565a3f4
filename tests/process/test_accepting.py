"""Workers that share a port share its connections too."""

import http.client
import json
from contextlib import ExitStack, closing

import psutil
import pytest
from support.server import running_server, wait_until

pytestmark = pytest.mark.process


def connections(server):
    """How many each worker has."""
    pids = server.worker_pids
    return [sum(one.status == psutil.CONN_ESTABLISHED for one in psutil.Process(pid).net_connections()) for pid in pids]


def test_connections_opened_at_once_are_shared_by_all_workers(tmp_path):
    """As a client's pool opens them; each answers. One worker would be left with all of them otherwise."""
    with running_server(tmp_path, engine="fake", workers=2) as server, ExitStack() as stack:
        wait_until(lambda: server.log.count("ready: ") == 2, within_s=30)
        pool = [stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", server.port))) for _ in range(32)]
        for connection in pool:
            connection.connect()
        wait_until(lambda: sum(connections(server)) == len(pool), within_s=10)
        assert min(connections(server)) >= len(pool) / 8
        for connection in pool:
            connection.request("POST", "/rerank", json.dumps({"query": "a", "documents": ["a"]}))
            assert connection.getresponse().read()


def test_workers_that_share_a_port_stop_in_good_order(tmp_path):
    """Each comes to the end of uvicorn's shutdown, and of ours."""
    with running_server(tmp_path, engine="fake", workers=2) as server:
        wait_until(lambda: server.log.count("ready: ") == 2, within_s=30)
        server.terminate()
        assert server.wait() == 0, server.log
        assert "Traceback" not in server.log, server.log
