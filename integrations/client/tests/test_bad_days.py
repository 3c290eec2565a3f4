"""What a call does when the service does not answer well."""

from __future__ import annotations

import asyncio
import json
import logging
import time

import httpx2
import pytest
from bentorank_client import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncReranker,
    AuthenticationError,
    BadRequestError,
    CircuitOpenError,
    InvalidResponseError,
    OverloadedError,
    RateLimitError,
    Reranker,
)
from bentorank_client.breaker import BreakerState, breaker_of
from support.keys import KEY
from support.scripted_server import answer, hang, ranking, status, trickle, vanish

ENVELOPE = json.dumps(
    {"error": "e", "error_type": "t", "code": "c", "message": "documents: too many", "detail": "d", "request_id": "r7"}
).encode()


@pytest.mark.parametrize("step", [hang(3), trickle(3)], ids=["silent", "trickling"])
def test_a_call_ends_by_its_deadline(make_client, scripted, step):
    """Whether the server is silent or sends a byte now and then; a slow server is not asked twice."""
    server = scripted(step)
    started = time.monotonic()
    with pytest.raises(APITimeoutError, match=r"timeout_s=0\.4"):
        make_client(base_url=server.url, timeout_s=0.4).rerank("q", ["a"])
    assert time.monotonic() - started < 1
    assert len(server.requests) == 1


def test_a_given_http_client_is_stopped_between_parts(scripted):
    """It knows no deadline of its own, and a trickle still does not outlive the call."""
    server = scripted(trickle(3))
    started = time.monotonic()
    with httpx2.Client() as http_client, pytest.raises(APITimeoutError):
        Reranker(base_url=server.url, timeout_s=0.4, http_client=http_client).rerank("q", ["a"])
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_what_may_pass_is_tried_again(make_client, scripted, code):
    """Reranking changes nothing, so it may be asked for again."""
    server = scripted(status(code), status(code), ranking())
    assert make_client(base_url=server.url).rerank("q", ["a", "b"])[0].index == 0
    assert len(server.requests) == 3


def test_a_connection_lost_on_the_way_is_tried_again(make_client, scripted):
    """A worker died, say."""
    server = scripted(vanish, ranking())
    assert len(make_client(base_url=server.url).rerank("q", ["a"])) == 1
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, BadRequestError),
        (413, BadRequestError),
        (422, BadRequestError),
        (500, APIStatusError),
    ],
)
def test_what_will_not_pass_is_not_tried_again(make_client, scripted, code, kind):
    """The error says what the service said."""
    server = scripted(status(code, ENVELOPE))
    with pytest.raises(kind, match="documents: too many") as caught:
        make_client(base_url=server.url).rerank("q", ["a"])
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (code, "c", "r7")
    assert len(server.requests) == 1


@pytest.mark.parametrize(("code", "kind"), [(429, RateLimitError), (503, OverloadedError)])
def test_attempts_are_counted(make_client, scripted, code, kind):
    """The last error is raised, with what the server asked for."""
    server = scripted(status(code, retry_after="0"))
    with pytest.raises(kind) as caught:
        make_client(base_url=server.url, max_attempts=2).rerank("q", ["a"])
    assert caught.value.retry_after_s == 0
    assert len(server.requests) == 2


def test_a_wait_that_outlasts_the_deadline_is_not_begun(make_client, scripted):
    """Retry-After of a minute and a second to live: the error comes at once."""
    server = scripted(status(503, retry_after="60"))
    started = time.monotonic()
    with pytest.raises(OverloadedError):
        make_client(base_url=server.url, timeout_s=1).rerank("q", ["a"])
    assert time.monotonic() - started < 0.8


def test_a_stranger_s_error_page_is_not_repeated(make_client, scripted):
    """It might quote the documents."""
    server = scripted(status(500, b"canary"))
    with pytest.raises(APIStatusError) as caught:
        make_client(base_url=server.url).rerank("canary", ["canary"])
    assert "canary" not in str(caught.value)


RESULT = {"index": 0, "relevance_score": 0.5}
USAGE = {"total_tokens": 1, "pairs": 1, "cached_pairs": 0, "truncated_documents": 0}


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b"{}",
        json.dumps({"results": [RESULT], "usage": USAGE}).encode(),
        json.dumps({"results": [RESULT, RESULT], "usage": USAGE}).encode(),
        json.dumps({"results": [RESULT, {"index": 2, "relevance_score": 0.5}], "usage": USAGE}).encode(),
        json.dumps({"results": [RESULT, {"index": -1, "relevance_score": 0.5}], "usage": USAGE}).encode(),
        json.dumps({"results": [RESULT, {"index": True, "relevance_score": 0.5}], "usage": USAGE}).encode(),
        json.dumps({"results": [RESULT, {"index": 1, "relevance_score": float("nan")}], "usage": USAGE}).encode(),
        json.dumps({"results": [RESULT, {"index": 1, "relevance_score": "?"}], "usage": USAGE}).encode(),
    ],
)
def test_an_answer_that_is_no_ranking_is_refused(make_client, scripted, body):
    """Not JSON, too few, twice the same, out of range, not a number."""
    with pytest.raises(InvalidResponseError):
        make_client(base_url=scripted(answer(body)).url).rerank("q", ["a", "b"])


def test_nobody_listening(make_client):
    """The message says where, why, and what to do."""
    with pytest.raises(APIConnectionError, match=r"127\.0\.0\.1:9: connection refused; start the service"):
        make_client(base_url="http://127.0.0.1:9", max_attempts=1).rerank("q", ["a"])


def test_passthrough_keeps_the_order_and_says_so(make_client, scripted, caplog):
    """No scores are invented; one warning; the callback gets the result."""
    seen = []
    server = scripted(status(500))
    client = make_client(base_url=server.url, on_error="passthrough", on_degraded=seen.append)
    with caplog.at_level(logging.WARNING):
        result = client.rerank("canary", ["canary a", "b", "c"], top_n=2)
    assert [(ranked.index, ranked.relevance_score) for ranked in result] == [(0, None), (1, None)]
    assert result.degraded
    assert result.degraded_reason.startswith("APIStatusError")
    assert seen == [result]
    (record,) = caplog.records
    assert "canary" not in record.getMessage()


@pytest.mark.parametrize("code", [307, 401, 403, 404, 405, 415])
def test_a_mistake_of_set_up_is_raised_all_the_same(make_client, scripted, code):
    """Passed through, a wrong key or address would go unnoticed for ever."""
    client = make_client(base_url=scripted(status(code, ENVELOPE)).url, on_error="passthrough")
    with pytest.raises(APIStatusError) as caught:
        client.rerank("q", ["a"])
    assert caught.value.status == code


@pytest.mark.parametrize(("code", "level"), [(400, "ERROR"), (413, "ERROR"), (429, "WARNING"), (503, "WARNING")])
def test_what_passes_through_is_loud_where_the_caller_can_mend_it(make_client, scripted, caplog, code, level):
    """A refusal of this query and these documents is logged as an error."""
    caplog.set_level(logging.WARNING, logger="bentorank_client")  # whatever other tests did to the root logger
    server = scripted(status(code, ENVELOPE, retry_after="0"))
    assert make_client(base_url=server.url, on_error="passthrough", max_attempts=1).rerank("q", ["a"]).degraded
    assert [record.levelname for record in caplog.records] == [level]


def test_an_unknown_model_does_not_blame_the_address(make_client, guarded_service):
    """404 is said of both; the code tells them apart."""
    client = make_client(base_url=guarded_service.url, api_key=KEY, on_error="passthrough")
    with pytest.raises(BadRequestError, match="check model") as caught:
        client.rerank("q", ["a"], model="other")
    assert caught.value.code == "model_not_found"
    with pytest.raises(BadRequestError, match="check base_url, its path included"):
        make_client(base_url=f"{guarded_service.url}/nowhere", api_key=KEY).rerank("q", ["a"])


def test_the_breaker_counts_attempts(make_client, scripted):
    """Retries included: a call of three attempts and two of another open it."""
    server = scripted(status(503, retry_after="0"))
    client = make_client(base_url=server.url, max_attempts=3)
    with pytest.raises(OverloadedError):
        client.rerank("q", ["a"])
    with pytest.raises(CircuitOpenError, match=server.url):
        client.rerank("q", ["a"])
    assert len(server.requests) == 5


def test_a_failing_service_is_left_alone(make_client, scripted):
    """Five failures in a row open the breaker: the sixth call fails at once and reaches nobody."""
    server = scripted(status(500))
    client = make_client(base_url=server.url)
    for _ in range(5):
        with pytest.raises(APIStatusError):
            client.rerank("q", ["a"])
    with pytest.raises(CircuitOpenError, match="on_error='passthrough'"):
        client.rerank("q", ["a"])
    assert len(server.requests) == 5
    assert breaker_of(server.url).state is BreakerState.OPEN


def test_refusals_do_not_open_the_breaker(make_client, scripted):
    """A service that says no is alive."""
    server = scripted(status(400))
    client = make_client(base_url=server.url)
    for _ in range(7):
        with pytest.raises(BadRequestError):
            client.rerank("q", ["a"])
    assert breaker_of(server.url).state is BreakerState.CLOSED


def test_several_servers_take_turns(make_client, scripted):
    """Each call begins with the next."""
    servers = [scripted(ranking()), scripted(ranking())]
    client = make_client(base_url=[server.url for server in servers])
    for _ in range(6):
        client.rerank("q", ["a"])
    assert [len(server.requests) for server in servers] == [3, 3]


def test_another_server_takes_over_at_once(make_client, scripted):
    """Without a wait, and without an error for the caller."""
    broken, sound = scripted(status(503)), scripted(ranking())
    client = make_client(base_url=[broken.url, sound.url])
    started = time.monotonic()
    for _ in range(20):
        client.rerank("q", ["a"])
    assert time.monotonic() - started < 2
    assert len(sound.requests) == 20
    assert len(broken.requests) == 5  # then its breaker is open


def test_retries_do_not_multiply_an_outage(make_client, scripted):
    """Beyond a reserve of 32, at most a tenth of the calls is repeated."""
    server = scripted(status(429, retry_after="0"))  # the breaker stays closed
    client = make_client(base_url=server.url)
    for _ in range(100):
        with pytest.raises(RateLimitError):
            client.rerank("q", ["a"])
    assert len(server.requests) <= 100 + 32 + 10


def test_a_cancelled_call_stops(scripted):
    """And counts for nothing."""
    server = scripted(hang(3))

    async def cancelled():
        async with AsyncReranker(base_url=server.url) as client:
            call = asyncio.create_task(client.rerank("q", ["a"]))
            await asyncio.sleep(0.2)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    started = time.monotonic()
    asyncio.run(cancelled())
    assert time.monotonic() - started < 1
    assert breaker_of(server.url).state is BreakerState.CLOSED


def test_a_slow_service_does_not_hold_the_event_loop(scripted):
    """Many calls wait together."""
    server = scripted(lambda handler, body: (time.sleep(0.2), ranking()(handler, body)))

    async def together():
        async with AsyncReranker(base_url=server.url) as client:
            await asyncio.gather(*(client.rerank("q", ["a"]) for _ in range(32)))

    started = time.monotonic()
    asyncio.run(together())
    assert time.monotonic() - started < 2
