"""More than the service can do: it goes on at full speed, whoever is let in waits little, and the others hear at once.

A request is one pass of 60 ms, so the capacity is a little more than 16 requests a second.
"""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import orjson
import pytest
from support.metrics import Scrape, settled_scrape
from support.open_loop import HEADERS, answered, arrivals, ask, percentile_s
from support.server import wait_until

pytestmark = pytest.mark.process

PASS_S = 0.06
PER_S = 16.0
# Query, separator, 18 words; a millisecond each.
PAIR_TOKENS = 20
REQUEST_TOKENS = 3 * PAIR_TOKENS
# What is let in waits for 30 passes before the first refusal and for 20 after it, those that come later included.
LET_IN_WAITS_S = 30 * PASS_S
# For a busy machine.
SLACK_S = 0.5


@pytest.fixture(scope="module")
def passes(fleet):
    """A server whose passes have three documents."""
    return fleet("passes", engine="fake", fake_token_delay_us=1000, max_batch_tokens=REQUEST_TOKENS)


@pytest.fixture
def calm(passes):
    """Nothing left over from another test, and its speed and the sizes of texts known."""
    wait_until(lambda: Scrape(passes.url)("rerank_active_requests") == 0, within_s=20)
    assert len(answered(ask(passes.url, [0.0, 0.1], body))) == 2
    return passes


def body(number, documents=3, **options):
    return {"query": "a", "documents": [f"w{number} " + "w " * 17] * documents, **options}


def refused(url, **labels):
    return Scrape(url)("rerank_refused_total", **labels)


def test_ordinary_callers_are_never_refused(calm):
    """Eight who ask again when they are answered, beside a batch of forty requests; and a burst that drains."""
    before = refused(calm.url)
    with (
        httpx2.Client(base_url=calm.url, timeout=30, headers=HEADERS, verify=False) as client,
        ThreadPoolExecutor(9) as threads,
    ):
        batch = threads.submit(client.post, "/rerank/batch", json=[body(n, documents=1) for n in range(40)])
        answers = threads.map(lambda n: client.post("/rerank", json=body(n)), range(32))
        statuses = {answer.status_code for answer in answers}
        assert statuses | {batch.result().status_code} == {200}
    assert {exchange.status for exchange in ask(calm.url, [0.0] * 20, body)} == {200}
    assert refused(calm.url) == before


def test_small_requests_hardly_wait_for_large_ones(calm):
    """Callers with a document each, beside one with 60: their p99 is at most three times what it is alone."""
    before = refused(calm.url)

    def small_s():
        exchanges = ask(calm.url, arrivals([(8, 1.5)]), lambda number: body(number, documents=1))
        assert {exchange.status for exchange in exchanges} == {200}
        return percentile_s(exchanges, 0.99)

    alone_s = small_s()
    with ThreadPoolExecutor(1) as threads:
        large = threads.submit(httpx2.post, f"{calm.url}/rerank", json=body(0, documents=60), timeout=30)
        time.sleep(0.1)
        assert small_s() < 3 * max(alone_s, PASS_S)
        assert large.result().status_code == 200
    assert refused(calm.url) == before


def test_who_leaves_the_queue_costs_nothing(calm):
    """A hundred callers hang up behind a pass of half a second: at most one of theirs reaches the engine."""
    content = orjson.dumps(body(1))
    request = b"POST /rerank HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
    before = settled_scrape(calm.url)
    with ThreadPoolExecutor(1) as threads:
        long = {"query": "a", "documents": ["w " * 498]}
        staying = threads.submit(httpx2.post, f"{calm.url}/rerank", json=long, timeout=30, headers=HEADERS)
        wait_until(lambda: Scrape(calm.url)("rerank_active_requests") == 1, within_s=5, every_s=0.01)
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", calm.port)) as leaving:
                leaving.sendall(request % (len(content), content))
        assert staying.result().status_code == 200
    wait_until(lambda: Scrape(calm.url)("rerank_active_requests") == 0, within_s=5)
    after = settled_scrape(calm.url)
    assert after("rerank_tokens_total") - before("rerank_tokens_total") <= 500 + REQUEST_TOKENS
    assert after("rerank_requests_total", status="499") - before("rerank_requests_total", status="499") >= 99


def test_what_cannot_be_in_time_is_not_computed(calm):
    """A hundred callers who wait for 0.1 s, at twice the capacity: they hear in time, and no pass is in vain."""
    before = settled_scrape(calm.url)
    exchanges = ask(calm.url, arrivals([(2 * PER_S, 3)]), body, deadline_s=0.1)
    after = settled_scrape(calm.url)
    assert {exchange.status for exchange in exchanges} <= {200, 429, 504}
    assert percentile_s(exchanges, 0.9) < 0.1 + SLACK_S
    computed = (after("rerank_tokens_total") - before("rerank_tokens_total")) / REQUEST_TOKENS
    # A pass that was begun in time may end late.
    begun = sum(exchange.status == 200 or exchange.latency_s >= 0.09 for exchange in exchanges)
    assert computed <= begun
    refusals = after("rerank_refused_total", reason="deadline") - before("rerank_refused_total", reason="deadline")
    assert 0 < refusals <= sum(exchange.status != 200 for exchange in exchanges)


@pytest.mark.fault
@pytest.mark.parametrize("burst_s", [0.7, 5])
def test_after_a_burst_it_is_soon_as_it_was(calm, burst_s):
    """Ten times the capacity, then half of it: once 30 passes are worked off callers wait as if nothing had been."""
    before = refused(calm.url, reason="target_wait")
    exchanges = ask(calm.url, arrivals([(10 * PER_S, burst_s), (PER_S / 2, 6)]), body)
    assert refused(calm.url, reason="target_wait") > before
    later = [exchange for exchange in exchanges if exchange.due_s > burst_s + 2 * LET_IN_WAITS_S + SLACK_S]
    assert {exchange.status for exchange in later} == {200}
    assert percentile_s(later, 0.9) < 6 * PASS_S + SLACK_S


def check_overload(url, seconds):
    """Offer three times the capacity; half of the callers would take part of an answer."""
    before = refused(url, reason="target_wait")
    due = arrivals([(3 * PER_S, seconds)])
    exchanges = ask(url, due, lambda number: body(number, on_deadline=("error", "partial")[number % 2]))
    served = answered(exchanges)
    turned_away = [exchange for exchange in exchanges if exchange.status == 429]
    assert len(served) + len(turned_away) == len(exchanges)
    in_time = [exchange for exchange in served if exchange.due_s + exchange.latency_s <= seconds]
    assert len(in_time) >= 0.8 * PER_S * seconds
    assert percentile_s(served, 0.99) < LET_IN_WAITS_S + PASS_S + SLACK_S
    assert all(1 <= int(exchange.retry_after) <= 5 for exchange in turned_away)
    assert refused(url, reason="target_wait") - before == len(turned_away)
    return turned_away


def test_under_three_times_the_load_it_serves_at_full_speed_and_refuses_at_once(calm):
    """Without shedding callers wait for 6 s here; those who take part of an answer are refused as others are."""
    turned_away = check_overload(calm.url, 3)
    assert len(turned_away) > 30
    assert percentile_s(turned_away, 0.5) < 0.1


@pytest.mark.fault
def test_under_three_times_the_load_for_a_minute(calm):
    """As above; two thirds are refused."""
    turned_away = check_overload(calm.url, 60)
    assert len(turned_away) > 1500
    assert percentile_s(turned_away, 0.99) < 0.2
