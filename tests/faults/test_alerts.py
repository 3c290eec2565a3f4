"""Alerts in a real Prometheus that reads a real server with real faults: each waits, fires, and ends with its cause."""

import re
import threading
import time

import pytest
import yaml
from support.faulty import rerank
from support.open_load import OpenLoad
from support.prometheus_server import RULES, needs, running_prometheus
from support.redis_server import running_redis
from support.server import running_server, wait_until

pytestmark = [pytest.mark.process, pytest.mark.fault, needs("prometheus")]

WITHIN_S = 60
WAITS_S = 3


def quick(*alerts):
    """The recordings and these alerts with windows of 5 to 20 s, each waiting for three seconds before it fires."""
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        group["rules"] = [rule for rule in group["rules"] if "record" in rule or rule["alert"] in alerts]
        for rule in group["rules"]:
            rule["expr"] = re.sub(r"\[\d+m\]", "[5s]", re.sub(r"\[\d+[hd]\]", "[20s]", rule["expr"]))
            if "alert" in rule:
                rule["for"] = f"{WAITS_S}s"
    return rules


def follow(prometheus, alert):
    """A function that waits until the alert is in that state, `inactive` if in none."""

    def wait_for(state):
        wait_until(lambda: (prometheus.states(alert) or {"inactive"}) == {state}, within_s=WITHIN_S, every_s=0.1)

    return wait_for


def test_an_engine_that_fails(tmp_path):
    """Callers' errors and the engine's are told while it fails, and no longer."""
    names = ["BentorankEngineFailing", "BentorankErrorBudgetBurningFast", "BentorankNoneReady"]
    with (
        running_server(tmp_path / "server", engine="fake", cache=False) as server,
        running_prometheus(tmp_path / "prometheus", server.url, rules=quick(*names)) as prometheus,
        OpenLoad(server.url, 20),
    ):
        alerts = [follow(prometheus, name) for name in names]
        wait_until(lambda: prometheus.query("bentorank:rerank_answered:rate5m > 15"), within_s=WITHIN_S)
        assert all(prometheus.states(name) == set() for name in names)
        stopped = threading.Event()
        failing = threading.Thread(target=_keep_down, args=(server.url, stopped))
        failing.start()
        for wait_for in alerts:
            wait_for("pending")
        for wait_for in alerts:
            wait_for("firing")
        stopped.set()
        failing.join()
        for wait_for in alerts:
            wait_for("inactive")


def _keep_down(url, stopped):
    """The fake engine is down for five seconds each time that it is told so."""
    while not stopped.is_set():
        rerank(url, ["[[down]]"])
        time.sleep(0.2)


def test_a_redis_that_is_stopped(tmp_path):
    """It is told while Redis is down, and ends by itself once it is back."""
    with (
        running_redis(tmp_path) as redis,
        running_server(tmp_path / "server", engine="fake", cache_url=redis.url) as server,
        running_prometheus(tmp_path / "prometheus", server.url, rules=quick("BentorankRedisDown")) as prometheus,
        OpenLoad(server.url, 20),
    ):
        wait_for = follow(prometheus, "BentorankRedisDown")
        wait_until(lambda: prometheus.query("rerank_cache_redis_up == 1"), within_s=WITHIN_S)
        wait_until(lambda: prometheus.query('rerank_cache_requests_total{level="redis"} > 20'), within_s=WITHIN_S)
        wait_for("inactive")
        redis.kill()
        wait_for("pending")
        wait_for("firing")
        redis.start()
        wait_for("inactive")


def test_more_work_than_there_is_capacity(tmp_path):
    """What is refused is told while it lasts."""
    names = ["BentorankOverloaded", "BentorankRefusing"]
    settings = {"engine": "fake", "cache": False, "fake_batch_delay_ms": 200, "max_batch_tokens": 16}
    with (
        running_server(tmp_path / "server", **settings) as server,
        running_prometheus(tmp_path / "prometheus", server.url, rules=quick(*names)) as prometheus,
    ):
        alerts = [follow(prometheus, name) for name in names]
        wait_until(lambda: prometheus.query('up{job="bentorank"} == 1'), within_s=WITHIN_S)
        assert all(prometheus.states(name) == set() for name in names)
        with OpenLoad(server.url, 60):
            for wait_for in alerts:
                wait_for("firing")
        for wait_for in alerts:
            wait_for("inactive")


def test_a_queue_that_stands(tmp_path):
    """A pass that takes half a minute and is not thought to hang: work waits and none is done, until it is."""
    settings = {"engine": "fake", "cache": False, "fake_batch_delay_ms": 25_000, "stalled_after_s": 120}
    with (
        running_server(tmp_path / "server", **settings) as server,
        running_prometheus(tmp_path / "prometheus", server.url, rules=quick("BentorankDeviceStalled")) as prometheus,
    ):
        wait_for = follow(prometheus, "BentorankDeviceStalled")
        wait_until(lambda: prometheus.query("rerank_queue_tokens == 0"), within_s=WITHIN_S)
        asked = threading.Thread(target=rerank, args=(server.url, ["a b c"]))
        asked.start()
        wait_for("pending")
        wait_for("firing")
        asked.join()
        wait_for("inactive")


def test_instances_that_are_gone(tmp_path):
    """One of two is a ticket, both are a page, and their return ends both."""
    names = ("BentorankInstanceDown", "BentorankDown")
    with (
        running_server(tmp_path / "a", engine="fake", stops_cleanly=False) as a,
        running_server(tmp_path / "b", engine="fake", stops_cleanly=False) as b,
        running_prometheus(tmp_path / "prometheus", a.url, b.url, rules=quick(*names)) as prometheus,
    ):
        instance_down, down = (follow(prometheus, name) for name in names)
        wait_until(lambda: prometheus.query('sum(up{job="bentorank"}) == 2'), within_s=WITHIN_S)
        a.kill()
        instance_down("pending")
        instance_down("firing")
        assert prometheus.states("BentorankDown") == set()
        b.kill()
        down("pending")
        down("firing")
        with running_server(tmp_path / "again", engine="fake", at=a.port):
            down("inactive")
