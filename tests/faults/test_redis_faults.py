"""Redis that dies, hangs, is slow, full or gone at the start, behind a service under load: nobody gets an error."""

import signal
import time

import pytest
from support.fetching import fetch
from support.metrics import Scrape, settled_scrape
from support.open_load import OpenLoad
from support.redis_server import running_redis
from support.server import running_server, wait_until
from support.tcp_proxy import Fault, TcpProxy

pytestmark = pytest.mark.process

# 50 requests/s would be the most: a pass of 20 ms each.
FAKE = {"engine": "fake", "fake_batch_delay_ms": 20, "cache_bytes": 0}
RATE_PER_S = 35
ERRORS = {"level": "redis", "result": "error"}
HITS = {"level": "redis", "result": "hit"}
FAILS = "the score cache in Redis fails"


def half_known(number):
    """Every other request asks what was asked before."""
    return "known" if number % 2 else f"query{number}"


def documents(number):
    return ["alpha beta", "gamma"] if number % 2 else [f"word{number} beta", f"gamma word{number}"]


def load(url):
    return OpenLoad(url, RATE_PER_S, documents, query=half_known)


def latencies(outcomes, since=0.0):
    return [outcome.latency_s for outcome in outcomes if outcome.due >= since]


def metrics_of(server):
    return fetch(f"{server.url}/metrics")[1].decode()


@pytest.mark.fault
@pytest.mark.parametrize("fault", ["killed", "stopped", "blackholed", "slow"])
def test_a_redis_that_fails_under_load_is_nobodys_error(tmp_path, fault):
    """No request fails; five may wait 50 ms, the rest as long as without a cache. Metrics and log say it is down."""
    with (
        running_redis(tmp_path) as redis,
        TcpProxy(redis.port) as proxy,
        running_server(tmp_path, cache_url=f"redis://127.0.0.1:{proxy.port}", **FAKE) as server,
    ):
        with load(server.url) as calm:
            wait_until(lambda: settled_scrape(server.url)("rerank_cache_requests_total", **HITS) > 20, within_s=20)
        before, failures_before = settled_scrape(server.url), server.log.count(FAILS)
        assert before("rerank_cache_redis_up") == 1
        with load(server.url) as troubled:
            time.sleep(1)
            if fault == "killed":
                redis.kill()
            elif fault == "stopped":
                redis.signal(signal.SIGSTOP)
            proxy.fault = {"blackholed": Fault.BLACKHOLE, "slow": Fault.SLOW}.get(fault, Fault.NONE)
            failed_at = time.monotonic()
            wait_until(lambda: Scrape(server.url)("rerank_cache_redis_up") == 0, within_s=5)
            time.sleep(2)
        after = settled_scrape(server.url)
        assert set(calm.counts) == set(troubled.counts) == {200}
        assert after("rerank_cache_requests_total", **ERRORS) > before("rerank_cache_requests_total", **ERRORS)
        assert server.log.count(FAILS) == failures_before + 1
        waited = [seconds for seconds in latencies(troubled.outcomes, failed_at) if seconds > calm.p99_s() + 0.045]
        assert len(waited) <= 15, "five, and what a busy machine delays"


@pytest.mark.fault
def test_a_redis_that_comes_back_is_used_again(tmp_path):
    """Empty: within seconds its scores are found again."""
    with running_redis(tmp_path) as redis, running_server(tmp_path, cache_url=redis.url, **FAKE) as server:
        with load(server.url) as before:
            time.sleep(1)
            redis.kill()
            wait_until(lambda: Scrape(server.url)("rerank_cache_redis_up") == 0, within_s=5)
            redis.start()
            wait_until(lambda: Scrape(server.url)("rerank_cache_redis_up") == 1, within_s=8)
            hits = settled_scrape(server.url)("rerank_cache_requests_total", **HITS)
            wait_until(lambda: Scrape(server.url)("rerank_cache_requests_total", **HITS) > hits + 10, within_s=5)
        assert set(before.counts) == {200}
        assert server.log.count("the score cache in Redis answers again") == 1


@pytest.mark.fault
def test_a_full_redis_is_read_and_not_written(tmp_path):
    """Its refusals are counted; what it holds is served."""
    with running_redis(tmp_path) as redis, running_server(tmp_path, cache_url=redis.url, **FAKE) as server:
        with load(server.url):
            wait_until(lambda: settled_scrape(server.url)("rerank_cache_requests_total", **HITS) > 10, within_s=20)
        with redis.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "1")
        before = settled_scrape(server.url)
        with load(server.url) as full:
            time.sleep(1.5)
        after = settled_scrape(server.url)
        failed, written = ({"level": "redis", "result": result} for result in ("failed", "written"))
        assert set(full.counts) == {200}
        assert after("rerank_cache_requests_total", **HITS) > before("rerank_cache_requests_total", **HITS) + 10
        assert after("rerank_cache_writes_total", **failed) > 10
        assert after("rerank_cache_writes_total", **written) == before("rerank_cache_writes_total", **written)
        assert after("rerank_cache_redis_up") == 1


@pytest.mark.fault
def test_without_redis_a_service_starts_as_soon(tmp_path):
    """Ready, and the metric says that there is none; the address and its password stand nowhere."""
    started = time.monotonic()
    with running_server(tmp_path, cache_url="redis://:hush-secret@127.0.0.1:9/0", **FAKE) as server:
        alone_s = time.monotonic() - started
        wait_until(lambda: "rerank_cache_redis_up 0.0" in metrics_of(server), within_s=5)
        with load(server.url) as alone:
            time.sleep(0.5)
        assert set(alone.counts) == {200}
        assert "hush-secret" not in server.log + metrics_of(server)
    started = time.monotonic()
    with running_redis(tmp_path) as redis, running_server(tmp_path, cache_url=redis.url, **FAKE):
        assert alone_s < time.monotonic() - started + 3, "1 s, and what a busy machine adds"


@pytest.mark.fault
def test_workers_share_what_redis_remembers(tmp_path):
    """What one scored, another finds, and a new process too; `kill -9` of a worker loses nothing of it."""
    with running_redis(tmp_path) as redis:
        for _ in range(2):
            with running_server(tmp_path, cache_url=redis.url, workers=2, **FAKE) as server:
                wait_until(lambda: settled_scrape(server.url)("rerank_cache_redis_up") == 1, within_s=10)
                with load(server.url) as shared:
                    time.sleep(1)
                assert set(shared.counts) == {200}
                found = settled_scrape(server.url)
                known = shared.counts[200] // 2 * 2
                assert found("rerank_cache_requests_total", **HITS) >= known * 0.8
