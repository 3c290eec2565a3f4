"""What a call returns, from a real bentorank server and in every way of calling."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from bentorank_client import AsyncReranker, RerankClient, Reranker, RerankRequest
from support.scripted_server import ranking, status

DOCUMENTS = ["Bread needs flour.", "Owls eat mice.", "Owls hunt at night.", "Ships carry freight."]


def test_the_best_come_first(make_client, starter_service):
    """The shipped model ranks; indices point into the caller's list."""
    result = make_client(base_url=starter_service.url, no_cache=True).rerank("what do owls eat", DOCUMENTS)
    assert result[0].index == 1
    assert sorted(ranked.index for ranked in result) == [0, 1, 2, 3]
    scores = [ranked.relevance_score for ranked in result]
    assert scores == sorted(scores, reverse=True)
    assert result.usage.pairs == 4
    assert result.usage.total_tokens > 0
    assert not result.degraded


def test_top_n_and_threshold_cut_the_list(make_client, service):
    """Both leave the scores as they are."""
    client = make_client(base_url=service.url)
    everything = client.rerank("owls eat", DOCUMENTS)
    assert client.rerank("owls eat", DOCUMENTS, top_n=2).results == everything[:2]
    threshold = everything[1].relevance_score
    assert client.rerank("owls eat", DOCUMENTS, score_threshold=threshold).results == everything[:2]


def test_no_documents_need_no_service(make_client):
    """Nobody listens on port 9."""
    result = make_client(base_url="http://127.0.0.1:9").rerank("owls", [])
    assert len(result) == 0
    assert not result.degraded


def test_a_batch_answers_in_the_order_of_its_requests(make_client, service):
    """Each as if it had been asked alone."""
    client = make_client(base_url=service.url, max_concurrency=2)
    requests = [RerankRequest(f"owls {n}", DOCUMENTS[n:], top_n=1 + n % 2) for n in range(4)]
    alone = [client.rerank(request.query, request.documents, top_n=request.top_n) for request in requests]
    assert [result.results for result in client.rerank_batch(requests)] == [result.results for result in alone]


@pytest.mark.parametrize("size", [1, 3, 7])
def test_a_long_list_is_split_and_merged_exactly(make_client, service, size):
    """The same documents, scores and order as from one request."""
    documents = [f"passage number {n % 11} about owls {n}" for n in range(20)]
    whole = make_client(base_url=service.url).rerank("owls 3", documents, top_n=9)
    split = make_client(base_url=service.url, max_batch_size=size).rerank("owls 3", documents, top_n=9)
    assert split.results == whole.results
    assert split.usage == whole.usage


def test_health_and_models_describe_the_service(make_client, service):
    """And a service that is not there is not healthy."""
    client = make_client(base_url=service.url)
    assert client.health() is True
    (model,) = client.models()
    assert (model.engine, model.device, model.takes_instruction) == ("fake", "cpu", False)
    assert model.max_tokens > 0
    assert make_client(base_url="http://127.0.0.1:9").health() is False


def test_what_is_sent(make_client, scripted):
    """A path prefix stays; key, deadline and request id travel as headers; documents do not come back."""
    server = scripted(ranking())
    make_client(base_url=f"{server.url}/rank/", api_key="secret", model="m", timeout_s=7, user_agent="shop/1").rerank(
        "q", ["a"]
    )
    ((path, headers, body),) = server.requests
    assert path == "/rank/rerank"
    assert headers["authorization"] == "Bearer secret"
    assert headers["user-agent"].startswith("shop/1 bentorank-client/")
    assert 6 < float(headers["x-request-timeout"]) <= 7
    assert body == {"query": "q", "documents": ["a"], "model": "m", "return_documents": False}


def test_the_environment_names_service_and_key(make_client, scripted, monkeypatch):
    """Unless the caller does."""
    server = scripted(ranking())
    monkeypatch.setenv("BENTORANK_BASE_URL", server.url)
    monkeypatch.setenv("BENTORANK_API_KEY", "from the environment")
    make_client().rerank("q", ["a"])
    make_client(api_key="").rerank("q", ["a"])
    assert [headers.get("authorization") for _, headers, _ in server.requests] == ["Bearer from the environment", None]


def test_a_trace_goes_on_in_the_service(make_client, scripted):
    """As W3C trace context."""
    trace = pytest.importorskip("opentelemetry.trace", reason="OpenTelemetry is optional")
    server = scripted(ranking())
    span = trace.NonRecordingSpan(trace.SpanContext(0xABC, 0xDEF, is_remote=False))
    with trace.use_span(span):
        make_client(base_url=server.url).rerank("q", ["a"])
    make_client(base_url=server.url).rerank("q", ["a"])
    (_, traced, _), (_, untraced, _) = server.requests
    assert f"{0xABC:032x}-{0xDEF:016x}" in traced["traceparent"]
    assert "traceparent" not in untraced


def test_every_attempt_and_every_part_belongs_to_the_trace(make_client, scripted):
    """A retry and the parts of a split list, which threads or tasks of their own send."""
    trace = pytest.importorskip("opentelemetry.trace", reason="OpenTelemetry is optional")
    server = scripted(status(503, retry_after="0"), ranking())
    span = trace.NonRecordingSpan(trace.SpanContext(0xABC, 0xDEF, is_remote=False))
    with trace.use_span(span):
        make_client(base_url=server.url, max_batch_size=2).rerank("q", ["a", "b", "c", "d"])
    assert len(server.requests) == 3
    for _, headers, _ in server.requests:
        assert f"{0xABC:032x}-{0xDEF:016x}" in headers["traceparent"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"base_url": "localhost:3000"}, "base_url"),
        ({"base_url": "http://me:hidden@host"}, "base_url"),
        ({"base_url": ["http://a", "ftp://b"]}, "base_url"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"timeout_s": float("nan")}, "timeout_s"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_batch_size": 1.5}, "max_batch_size"),
        ({"on_error": "ignore"}, "on_error"),
        ({"api_key": "hidden\nx: y"}, "api_key"),
        ({"api_key": b"hidden"}, "api_key"),
        ({"api_key": "**********"}, "api_key: these are the asterisks"),
        ({"base_url": "http://127.0.0.1:hidden"}, "base_url: the port must be a number"),
        ({"base_url": "http://127.0.0.1:99999"}, "base_url: the port must be a number"),
        ({"base_url": "http://:hidden@host"}, "base_url: takes no user name or password"),
        ({"base_url": "http://[::1"}, "base_url"),
        ({"base_url": "http://a host"}, "base_url"),
        ({"base_url": "http://host\n.hidden"}, "base_url"),
        ({"base_url": 3000}, "base_url"),
        ({"base_url": [None]}, "base_url"),
        ({"timeout_s": "hidden"}, "timeout_s"),
        ({"score_mode": "hidden"}, "score_mode: must be one of probability, logit, model"),
        ({"overflow": "hidden"}, "overflow: must be one of truncate, chunk, error"),
        ({"max_tokens_per_doc": -1}, "max_tokens_per_doc"),
        ({"rank_fields": "hidden"}, "rank_fields"),
        ({"rank_fields": 3}, "rank_fields"),
    ],
)
def test_impossible_options_are_refused_by_name(make_client, options, named):
    """Without repeating what may be secret."""
    with pytest.raises(ValueError, match=named) as caught:
        make_client(**options)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"documents": "hidden"}, "documents: must be a list"),
        ({"documents": {"hidden": 1}}, "documents: must be a list"),
        ({"documents": 3}, "documents: must be a list"),
        ({"documents": ["a", 3]}, r"documents\[1\]: must be a text or a mapping"),
        ({"documents": ["a", None]}, r"documents\[1\]: must be a text or a mapping"),
        ({"documents": ["a", {"title": "hidden"}]}, r"documents\[1\]: must have a text as `content` or `text`"),
        ({"documents": [{"title": "a"}], "rank_fields": ["text"]}, r"documents\[0\]: has none of the rank_fields"),
        ({"documents": [{"n": float("nan")}], "rank_fields": ["n"]}, r"documents\[0\]\.n: must be a value that JSON"),
        ({"documents": [{"n": {1: {2}}}], "rank_fields": ["n"]}, r"documents\[0\]\.n: must be a value that JSON"),
        ({"query": None}, "query: must be a text"),
        ({"top_n": 0}, "top_n"),
        ({"top_n": "2"}, "top_n"),
        ({"score_threshold": float("nan")}, "score_threshold"),
        ({"overflow": "cut"}, "overflow"),
        ({"max_chunks_per_doc": 0}, "max_chunks_per_doc"),
        ({"timeout_s": "hidden"}, "timeout_s"),
        ({"timeout_s": float("inf")}, "timeout_s"),
    ],
)
def test_impossible_arguments_are_refused_by_name(make_client, arguments, named):
    """Before anything is sent, whatever is to happen when the service fails, and without repeating them."""
    client = make_client(base_url="http://127.0.0.1:9", on_error="passthrough")
    with pytest.raises(ValueError, match=named) as caught:
        client.rerank(**{"query": "q", "documents": ["a"]} | arguments)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("kind", [Reranker, AsyncReranker])
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda client: pickle.loads(pickle.dumps(client))])
def test_a_copy_behaves_alike(kind, copied):
    """Options travel, sockets do not."""
    client = kind(base_url=["http://a", "http://b"], api_key="k", timeout_s=3, on_error="passthrough")
    assert copied(client).options == client.options


@pytest.mark.parametrize("kind", [Reranker, AsyncReranker])
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda client: pickle.loads(pickle.dumps(client))])
def test_a_copy_of_a_client_without_a_key_looks_for_none(kind, copied, monkeypatch):
    """Whoever said that no key is to be sent meant it for the worker process too."""
    monkeypatch.setenv("BENTORANK_API_KEY", "meant for another service")
    client = kind(base_url="http://127.0.0.1:9", api_key="")
    assert not copied(client).options.key


def test_one_client_serves_many_threads(service):
    """At the same time."""
    with Reranker(base_url=service.url) as client, ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: client.rerank("owls", DOCUMENTS), range(40)))
    assert len({result.results for result in results}) == 1


# Nobody closed the connections of the loops that are gone, which is the point.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_client_serves_many_event_loops(service):
    """One after another; connections of a closed loop are neither used again nor kept."""
    client = AsyncReranker(base_url=service.url)
    results = [asyncio.run(client.rerank("owls", DOCUMENTS)) for _ in range(3)]
    assert len({result.results for result in results}) == 1
    assert len(client._transport._pools) == 1
    client._transport._pools.clear()
    gc.collect()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_opens_its_own_connections(service):
    """Parent and child use one client at once."""
    with Reranker(base_url=service.url) as client:
        expected = client.rerank("owls", DOCUMENTS).results
        child = os.fork()
        if child == 0:
            os._exit(0 if all(client.rerank("owls", DOCUMENTS).results == expected for _ in range(5)) else 1)
        assert all(client.rerank("owls", DOCUMENTS).results == expected for _ in range(5))
        assert os.waitpid(child, 0)[1] == 0


def test_a_given_http_client_is_used_and_left_open(service):
    """Its giver closes it."""
    with httpx2.Client(headers={"x-shop": "1"}) as http_client:
        client = Reranker(base_url=service.url, http_client=http_client)
        client.rerank("owls", DOCUMENTS)
        client.close()
        assert not http_client.is_closed


def test_both_faces_of_one_client(service):
    """RerankClient answers alike with and without await."""

    async def awaited(client):
        try:
            return await client.arerank("owls", DOCUMENTS)
        finally:
            await client.aclose()

    client = RerankClient(base_url=service.url)
    assert client.rerank("owls", DOCUMENTS).results == asyncio.run(awaited(client)).results


def test_a_retry_waits_as_it_is_asked(make_client, scripted):
    """The second attempt carries the same request id and less time."""
    server = scripted(status(429, retry_after_ms="300"), ranking())
    make_client(base_url=server.url, timeout_s=5).rerank("q", ["a"])
    (_, first, _), (_, second, _) = server.requests
    assert first["x-request-id"] == second["x-request-id"]
    assert float(first["x-request-timeout"]) - float(second["x-request-timeout"]) >= 0.3
