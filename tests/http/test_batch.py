"""POST /rerank/batch: several requests in one body."""

import pytest

GOOD = {"query": "alpha", "documents": ["beta", "alpha"]}


def post(client, requests, **headers):
    return client.post("/rerank/batch", json={"requests": requests}, headers=headers)


def test_answers_come_in_the_order_of_the_requests(client):
    """Each answer is the one that /rerank gives to its request."""
    requests = [
        {"query": f"word{i}", "documents": ["nothing", f"word{i}", "else"], "top_k": 1 + i % 3} for i in range(20)
    ]
    answers = post(client, requests).json()["responses"]
    assert [answer["query"] for answer in answers] == [request["query"] for request in requests]
    for request, answer in zip(requests, answers, strict=True):
        alone = client.post("/rerank", json=request).json()
        assert answer["results"] == alone["results"]
        assert answer["results"][0]["index"] == 1


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"query": "alpha"}, "requests[1].documents"),
        ({"documents": ["alpha"]}, "requests[1].query"),
        ({"query": " ", "documents": ["alpha"]}, "requests[1].query"),
        ({"query": "alpha", "documents": []}, "requests[1].documents"),
        ({"query": "alpha", "documents": ["a", {}]}, "requests[1].documents[1].content"),
        ({"query": "alpha", "documents": ["a", 3]}, "requests[1].documents[1]"),
        ({"query": "alpha", "documents": ["a"], "top_k": 0}, "requests[1].top_k"),
        ({"query": "alpha", "documents": ["a"], "top_k": 1, "top_n": 2}, "requests[1].top_n"),
        ({"query": "alpha", "documents": ["a"], "deadline_ms": -1}, "requests[1].deadline_ms"),
        (3, "requests[1]"),
        ("alpha", "requests[1]"),
        (None, "requests[1]"),
    ],
)
def test_one_bad_request_is_named(client, bad, field):
    """The error starts with the place of the mistake, and nothing of the batch is answered."""
    response = post(client, [GOOD, bad, GOOD])
    assert response.status_code == 400
    assert response.json()["message"].startswith(f"{field}: ")


def test_a_request_that_is_no_object_is_told_so(client):
    """The message speaks of requests, not of documents."""
    assert post(client, [3]).json()["message"] == "requests[0]: must be an object"


def test_a_query_with_too_many_tokens_is_named(client):
    """The engine's own refusal also says which request."""
    response = post(client, [GOOD, {"query": "word " * 300, "documents": ["a"]}])
    assert response.status_code == 400
    assert response.json()["message"].startswith("requests[1]: the query has 300 tokens")


def test_a_poisoned_document_is_named(client):
    """A document that the model fails on is named with its request."""
    response = post(client, [GOOD, {"query": "alpha", "documents": ["a", "b [[poison]]"]}])
    assert response.status_code == 500
    assert response.json()["message"].startswith("requests[1].documents[1]: ")


@pytest.mark.parametrize("requests", [[], None, "x", {}, 3])
def test_what_is_no_list_of_requests_is_refused(client, requests):
    """Empty, null or no list at all."""
    response = post(client, requests)
    assert response.status_code == 400
    assert response.json()["message"].startswith("requests: ")


def test_the_number_of_requests_is_limited(client, small_client):
    """At the limit all is well, one past it the error names the limit: 64 by default."""
    assert len(post(client, [GOOD] * 64).json()["responses"]) == 64
    over = post(client, [GOOD] * 65)
    assert over.status_code == 413
    assert over.json()["message"] == "requests: 65 requests, more than the limit of 64"
    assert post(small_client, [GOOD] * 2).status_code == 200
    assert post(small_client, [GOOD] * 3).status_code == 413


def test_limits_name_the_request(small_client):
    """A limit of one request says which."""
    response = post(small_client, [GOOD, {"query": "alpha", "documents": ["a"] * 6}])
    assert response.status_code == 413
    assert response.json()["message"] == "requests[1].documents: 6 documents, more than the limit of 5"


def test_a_deadline_counts_for_every_request(client):
    """The header covers the whole batch."""
    assert post(client, [GOOD, GOOD], **{"x-request-timeout": "0.000001"}).status_code == 504


def test_a_batch_that_fails_at_once_leaves_no_trace_of_the_rest(service, client):
    """What was not begun for it is not complained of: one line a request would drown the log."""
    good = {"query": "alpha", "documents": ["a b c"] * 10}
    bad = {**good, "query": "q " * 600}
    for _ in range(10):  # how many have begun when it fails is a matter of chance
        assert client.post("/rerank/batch", json=[bad] + [good] * 63).status_code == 400
        assert client.post("/rerank/batch", json=[good, bad] + [good] * 62).status_code == 400
    assert client.post("/rerank/batch", json=[good] * 2).status_code == 200
    assert "never awaited" not in service.log
    assert "nobody could catch" not in service.log
