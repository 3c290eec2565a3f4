"""More work than the device can do, and callers who leave: the queue holds 300 tokens, a batch 40; it takes 0.4 s."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from support.contract import ContractClient, check_envelope
from support.metrics import Scrape, settled_scrape
from support.server import wait_until

# 20 tokens a request: query, separator, 18 words.
BODY = {"query": "a", "documents": ["w " * 18]}


@pytest.fixture
def idle(slow_service):
    """Nothing left over from another test."""
    wait_until(lambda: settled_scrape(slow_service.url)("rerank_queue_tokens") == 0, within_s=20)


@pytest.mark.usefixtures("idle")
def test_past_the_queues_limit_callers_are_told_to_come_back(slow_service):
    """Of thirty requests at once 15 fit into the queue: they are answered, the others get 429 and a time, at once."""
    with ContractClient(slow_service.url) as client, ThreadPoolExecutor(30) as threads:
        client.rerank("a", ["w"])

        def ask(_):
            started = time.monotonic()
            response = client.post("/rerank", json=BODY)
            return response, time.monotonic() - started

        answers = list(threads.map(ask, range(30)))
    statuses = [response.status_code for response, _ in answers]
    refusals = [(response, seconds) for response, seconds in answers if response.status_code == 429]
    assert set(statuses) == {200, 429}
    # While thirty arrive, a batch or two may leave and make room.
    assert 15 <= statuses.count(200) <= 23
    for response, seconds in refusals:
        body = check_envelope(response)
        assert body["code"] == "overloaded"
        assert "of 300 tokens are waiting" in body["message"]
        assert 1 <= int(response.headers["retry-after"]) <= 10
        assert seconds < 2


@pytest.mark.usefixtures("idle")
def test_the_queue_shows_while_it_waits(slow_service):
    """Tokens queued, requests active: what an autoscaler reads, and both fall back to 0."""
    with httpx2.Client(base_url=slow_service.url, timeout=30) as client, ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(client.post, "/rerank", json=BODY) for _ in range(6)]
        wait_until(lambda: Scrape(slow_service.url)("rerank_active_requests") == 6, within_s=5)
        wait_until(lambda: Scrape(slow_service.url)("rerank_queue_tokens") >= 20, within_s=5)
        assert all(future.result().status_code == 200 for future in asked)
    wait_until(lambda: Scrape(slow_service.url)("rerank_active_requests") == 0, within_s=5)
    wait_until(lambda: Scrape(slow_service.url)("rerank_queue_tokens") == 0, within_s=5)


@pytest.mark.usefixtures("idle")
def test_what_a_caller_who_left_had_queued_is_not_computed(slow_service):
    """Behind one pass of 1.1 s, six requests of callers who hang up: none of their tokens reaches the device."""
    with httpx2.Client(base_url=slow_service.url, timeout=30) as client, ThreadPoolExecutor(7) as threads:
        client.post("/rerank", json=BODY)
        before = settled_scrape(slow_service.url)
        staying = threads.submit(client.post, "/rerank", json={"query": "a", "documents": ["w " * 178]})
        wait_until(lambda: Scrape(slow_service.url)("rerank_active_requests") == 1, within_s=5, every_s=0.01)

        def leave(_):
            with pytest.raises(httpx2.ReadTimeout):
                client.post("/rerank", json=BODY, timeout=httpx2.Timeout(30, read=0.1))

        list(threads.map(leave, range(6)))
        assert staying.result().status_code == 200
    wait_until(lambda: Scrape(slow_service.url)("rerank_active_requests") == 0, within_s=5)
    # Longer than a batch would take.
    time.sleep(0.5)
    after = settled_scrape(slow_service.url)
    assert after("rerank_queue_tokens") == 0
    assert after("rerank_tokens_total") - before("rerank_tokens_total") == 180
    assert after("rerank_requests_total", status="499") - before("rerank_requests_total", status="499") == 6


@pytest.mark.usefixtures("idle")
def test_a_small_request_does_not_wait_for_a_large_one(slow_service):
    """Behind 160 tokens of one request, a request of 4 tokens is answered after about one more batch."""
    with httpx2.Client(base_url=slow_service.url, timeout=30) as client, ThreadPoolExecutor(1) as threads:
        large = threads.submit(client.post, "/rerank", json={"query": "a", "documents": ["w " * 18] * 8})
        wait_until(lambda: Scrape(slow_service.url)("rerank_active_requests") == 1, within_s=5, every_s=0.01)
        assert client.post("/rerank", json={"query": "a", "documents": ["w w"]}).status_code == 200
        assert not large.done()
        assert large.result().status_code == 200


@pytest.mark.usefixtures("idle")
def test_work_that_cannot_be_done_in_time_is_refused_at_once(slow_service):
    """Knowing its speed, the service does not let a caller wait for a 504."""
    with httpx2.Client(base_url=slow_service.url, timeout=30) as client:
        client.post("/rerank", json={"query": "a", "documents": ["w " * 38]})
        started = time.monotonic()
        response = client.post("/rerank", json={"query": "a", "documents": ["w " * 38] * 5, "deadline_ms": 800})
        assert time.monotonic() - started < 0.4
    assert response.status_code == 504
    assert "send fewer documents or a longer deadline" in check_envelope(response)["message"]
