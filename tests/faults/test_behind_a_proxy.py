"""Two instances behind HAProxy or nginx, with the configurations of `deploy/proxies`: nobody notices that one goes."""

import os
import signal
import time

import pytest
from support.callers import Callers
from support.metrics import Scrape, settled_scrape
from support.open_load import OpenLoad
from support.proxies import running_proxy
from support.server import Server, wait_until

# Ten starts, each of which takes long on a busy machine.
pytestmark = [pytest.mark.process, pytest.mark.fault, pytest.mark.timeout(900)]

# A pass of 20 ms takes eight of these requests, so that an instance could do 400 a second.
INSTANCE = {"engine": "fake", "fake_batch_delay_ms": 20, "max_batch_tokens": 64, "drain_s": 5}
RATE_PER_S = 60
CALLERS = 6


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


def answered(server):
    """How many requests that instance has answered well."""
    return Scrape(server.url)("rerank_requests_total", status="200")


@pytest.fixture
def pair(tmp_path):
    pair = Pair(tmp_path)
    yield pair
    pair.close()


@pytest.mark.parametrize("proxy", ["haproxy", "nginx"])
def test_a_rolling_update_fails_no_request(pair, proxy):
    """Five times both instances: every request of 2,000 and more is answered, without a retry of the caller's."""
    with running_proxy(proxy, pair.ports) as url, OpenLoad(url, RATE_PER_S) as load:
        for _ in range(5):
            for number in range(2):
                pair.replace(number)
        # The last one to come takes its share, too.
        wait_until(lambda: all(answered(server) for server in pair.servers), within_s=10)
        load.stop()
        assert set(load.counts) == {200}, load.counts
        assert load.counts[200] >= 2000
    assert [settled_scrape(server.url)("rerank_active_requests") for server in pair.servers] == [0, 0]


@pytest.mark.parametrize("proxy", ["haproxy", "nginx"])
def test_a_killed_instance_is_not_noticed_by_callers_of_our_client(pair, proxy):
    """Both processes of one get SIGKILL under load: of 1,000 calls and more none fails, and they stay as fast."""
    with running_proxy(proxy, pair.ports) as url, Callers(url, CALLERS) as callers:
        time.sleep(8)
        victim, survivor = pair.servers
        for pid in [victim.pid, *victim.worker_pids]:
            os.kill(pid, signal.SIGKILL)
        killed_at = time.monotonic()
        time.sleep(25)
        callers.stop()
        assert callers.failures == []
        assert len(callers.calls) >= 1000
        # The one on which the instance was lost may wait for a server to be tried again.
        assert callers.p99_s(since=killed_at - 1) <= max(5 * callers.p99_s(until=killed_at - 1), 0.5)
        assert survivor.worker_pids
        assert answered(survivor) > len(callers.calls) / 3
