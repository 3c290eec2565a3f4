"""Every limit: what is exactly at it passes, one past it is refused with the name of the limit."""

import json

import pytest
from support.contract import check_envelope

JSON = {"content-type": "application/json"}
BODY_LIMIT = 1000


def body_of(size):
    """A good request of exactly `size` bytes."""
    empty = json.dumps({"query": "alpha", "documents": ["beta"], "model": ""})
    return json.dumps({"query": "alpha", "documents": ["beta"], "model": "m" * (size - len(empty))}).encode()


def chunked(body):
    """Streamed, so that no Content-Length declares the size."""
    return (body[start : start + 100] for start in range(0, len(body), 100))


def too_large(response, message):
    assert response.status_code == 413, response.text
    body = check_envelope(response)
    assert body["message"].startswith(message), body
    assert body["code"] == "payload_too_large"


@pytest.mark.parametrize("send", [bytes, chunked], ids=["declared", "chunked"])
def test_the_body_is_limited_in_bytes(small_client, send):
    """Whether it says so or not, a body past the limit is a 413."""
    at_limit = small_client.post("/rerank", content=send(body_of(BODY_LIMIT)), headers=JSON)
    assert at_limit.status_code == 200
    for size in (BODY_LIMIT + 1, 50 * BODY_LIMIT):
        over = small_client.post("/rerank", content=send(body_of(size)), headers=JSON)
        too_large(over, "body: more than the limit of 1000 bytes")


@pytest.mark.parametrize("send", [bytes, chunked], ids=["declared", "chunked"])
def test_the_body_limit_holds_on_bentomls_route(small_client, send):
    """It lies outside BentoML, which has none."""
    body = json.dumps({"pairs": [{"query": "a", "passage": "b"}] * 100}).encode()
    response = small_client.post("/bentoml/score", content=send(body), headers=JSON)
    too_large(response, "body: more than the limit of 1000 bytes")


def test_by_default_the_body_limit_is_10_mib(client):
    """Ten thousand passages of a kilobyte do not fit."""
    documents = ["x" * 1000] * 10_600
    too_large(client.rerank("alpha", documents), "body: more than the limit of 10485760 bytes")


def test_the_number_of_documents_is_limited(client, small_client):
    """1000 by default."""
    assert small_client.rerank("alpha", ["beta"] * 5).status_code == 200
    too_large(small_client.rerank("alpha", ["beta"] * 6), "documents: 6 documents, more than the limit of 5")
    too_large(client.rerank("alpha", ["b"] * 1001), "documents: 1001 documents, more than the limit of 1000")


def test_the_length_of_a_document_is_limited(small_client):
    """In characters, not bytes; the document is named."""
    assert small_client.rerank("alpha", ["beta", "é" * 100]).status_code == 200
    over = small_client.rerank("alpha", ["beta", "é" * 101])
    too_large(over, "documents[1]: 101 characters, more than the limit of 100")
    as_object = small_client.rerank("alpha", [{"content": "e" * 101}])
    too_large(as_object, "documents[0]: 101 characters, more than the limit of 100")


def test_three_megabytes_are_fine_as_a_thousand_documents_and_not_as_one(client):
    """By default the body has room for many documents, and a document has its own limit."""
    assert client.rerank("alpha", ["x" * 3000] * 1000, return_documents=False).status_code == 200
    too_large(
        client.rerank("alpha", ["x" * 3_000_000]), "documents[0]: 3000000 characters, more than the limit of 200000"
    )


def test_the_length_of_a_query_is_limited(small_client):
    """In characters."""
    assert small_client.rerank("q" * 50).status_code == 200
    too_large(small_client.rerank("q" * 51), "query: 51 characters, more than the limit of 50")


def test_a_query_may_take_half_of_the_models_window(small_client):
    """In tokens: a window of 33 leaves 16 of them; the query is never cut in silence."""
    assert small_client.rerank("q " * 16).status_code == 200
    over = small_client.rerank("q " * 17)
    assert over.status_code == 400
    assert check_envelope(over)["message"] == "the query has 17 tokens and this model reads at most 16"


def test_what_could_never_fit_into_the_queue_is_the_callers_mistake(small_client):
    """Waiting would not help, so it is no 429."""
    documents = ["w " * 30] * 3
    too_large(small_client.rerank("alpha", documents), "documents: 96 tokens to score, more than the limit of 90")


def test_the_window_can_be_cut_by_a_setting(small_client):
    """`BENTORANK_MAX_PAIR_TOKENS` shows in GET / and in what is truncated."""
    assert small_client.get("/").json()["max_tokens"] == 33
    (result,) = small_client.rerank("alpha", ["w " * 32]).json()["results"]
    assert result["truncated"]
    (result,) = small_client.rerank("alpha", ["w " * 31]).json()["results"]
    assert not result["truncated"]


def test_bentomls_route_limits_texts_too(small_client):
    """A pair's texts have the same limits as a request's, and the answer says which is too long."""
    good = {"query": "q", "passage": "p"}
    for pair, field in (({**good, "query": "q" * 51}, "query: 51"), ({**good, "passage": "p" * 101}, "passage: 101")):
        over = small_client.post("/bentoml/score", json={"pairs": [good, pair]})
        too_large(over, f"pairs[1].{field} characters, more than the limit of ")


def test_bentomls_route_limits_the_number_of_pairs(client, small_client):
    """A pair counts as a document."""
    pair = {"query": "q", "passage": "p"}
    assert small_client.post("/bentoml/score", json={"pairs": [pair] * 5}).status_code == 200
    over = small_client.post("/bentoml/score", json={"pairs": [pair] * 6})
    too_large(over, "pairs: 6 documents, more than the limit of 5")
    too_large(client.post("/bentoml/score", json={"pairs": [pair] * 1001}), "pairs: 1001 documents")


def test_bentomls_route_limits_tokens(guarded_client):
    """The same limit as a request's."""
    pairs = [{"query": "q", "passage": "p " * 20}] * 4
    assert guarded_client.post("/bentoml/score", json={"pairs": pairs}).status_code == 200
    over = guarded_client.post("/bentoml/score", json={"pairs": pairs + pairs[:1]})
    too_large(over, "pairs: 110 tokens to score, more than the limit of 100")
