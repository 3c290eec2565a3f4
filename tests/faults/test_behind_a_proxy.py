"""Two instances behind HAProxy or nginx, with the configurations of `deploy/proxies`: nobody notices that one goes."""

import os
import signal
import threading
import time

import pytest
from bentorank_client import Reranker
from support.metrics import settled_scrape
from support.open_load import OpenLoad
from support.proxies import running_proxy
from support.server import Server

pytestmark = [pytest.mark.process, pytest.mark.fault]

# A pass of two short documents takes 20 ms, and at most three requests fit into one: an instance does 50 or more a second.
INSTANCE = {"engine": "fake", "fake_batch_delay_ms": 20, "max_batch_tokens": 64, "drain_s": 5}
RATE_PER_S = 40


class Pair:
    """Two instances, each of which can be replaced by a new one on the same port."""

    def __init__(self, home):
        self._home = home
        self._started = 0
        self.servers = [self._start() for _ in range(2)]
        for server in self.servers:
            server.wait_until_ready()

    @property
    def ports(self):
        return tuple(server.port for server in self.servers)

    def replace(self, number):
        """As a rolling update without a surge does it: the old one is gone before the new one starts."""
        old = self.servers[number]
        old.terminate()
        assert old.wait() == 0, old.log
        self.servers[number] = self._start(old.port)
        self.servers[number].wait_until_ready()

    def close(self):
        for server in self.servers:
            server.kill()

    def _start(self, port=None):
        self._started += 1
        return Server(self._home / str(self._started), at=port, **INSTANCE)


@pytest.fixture
def pair(tmp_path):
    pair = Pair(tmp_path)
    yield pair
    pair.close()


@pytest.mark.parametrize("proxy", ["haproxy", "nginx"])
def test_a_rolling_update_fails_no_request(pair, proxy):
    """Five times both instances, at half of what they can do: every request of 2,000 and more is answered, without a retry of the caller's."""
    with running_proxy(proxy, pair.ports) as url, OpenLoad(url, RATE_PER_S) as load:
        for _ in range(5):
            for number in range(2):
                pair.replace(number)
        while len(load.outcomes) < 2000:
            time.sleep(0.5)
        load.stop()
        print(proxy, load.counts, {k: load.p99_s(0, 1e12) for k in [99]})
        assert set(load.counts) == {200}, load.counts
        assert load.counts[200] >= 2000
    for server in pair.servers:
        assert settled_scrape(server.url)("rerank_active_requests") == 0


@pytest.mark.parametrize("proxy", ["haproxy", "nginx"])
def test_a_killed_instance_is_not_noticed_by_callers_of_our_client(pair, proxy):
    """Both processes of one get SIGKILL under load: no call of 1,000 and more fails, and latencies are soon as before."""
    failures, seconds, stop = [], [], threading.Event()

    def call(caller):
        with Reranker(base_url=url, timeout_s=20) as reranker:
            number = 0
            while not stop.is_set():
                number += 1
                began = time.monotonic()
                try:
                    reranker.rerank(f"query{caller}", [f"word{caller}x{number}", "beta"])
                except Exception as error:
                    failures.append(repr(error))
                seconds.append((began, time.monotonic() - began))
                time.sleep(0.1)

    with running_proxy(proxy, pair.ports) as url:
        threads = [threading.Thread(target=call, args=(caller,)) for caller in range(6)]
        for thread in threads:
            thread.start()
        time.sleep(8)
        victim = pair.servers[0]
        for pid in [victim.pid, *victim.worker_pids]:
            os.kill(pid, signal.SIGKILL)
        killed_at = time.monotonic()
        time.sleep(25)
        stop.set()
        for thread in threads:
            thread.join()
    before = sorted(s for b, s in seconds if b < killed_at - 1)
    after = sorted(s for b, s in seconds if b >= killed_at - 1)
    print(
        proxy,
        len(seconds),
        "p99 before",
        before[int(len(before) * 0.99)],
        "after",
        after[int(len(after) * 0.99)],
        "max",
        after[-1],
    )
    assert failures == []
    assert len(seconds) >= 1000
    assert settled_scrape(pair.servers[1].url)("rerank_requests_total", status="200") > 0
