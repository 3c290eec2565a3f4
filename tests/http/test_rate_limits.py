"""A limit on the model's tokens for each API key: who is past it hears when to come back, and nobody else notices."""

import pytest
from support.contract import ContractClient, check_envelope
from support.keys import KEY, SECOND_KEY
from support.metrics import Scrape

# 10 tokens a pair: query, separator, 8 words.
PASSAGE = "w " * 8
PRUNING_KEY = "key-that-prunes"
ROUTES = [
    ("/rerank", {"query": "a", "documents": [PASSAGE] * 10}),
    ("/v2/rerank", {"query": "a", "documents": [PASSAGE] * 10}),
    ("/rerank/batch", [{"query": "a", "documents": [PASSAGE] * 5}] * 2),
    ("/v1/score", {"text_1": "a", "text_2": [PASSAGE] * 10}),
    ("/bentoml/score", {"pairs": [{"query": "a", "passage": PASSAGE}] * 10}),
]


@pytest.fixture(scope="module")
def limited(fleet):
    """Each key may use 300 tokens at once and gets one a second."""
    keys = [KEY, SECOND_KEY, PRUNING_KEY, *(f"key-of-route-{number}" for number in range(len(ROUTES)))]
    limits = {"key_tokens_per_s": 1, "key_burst_tokens": 300}
    return fleet("limited", engine="fake", models="large=a,small=b", api_keys=",".join(keys), **limits)


@pytest.fixture
def limited_client(limited):
    """Without a key, and never answered from memory, which costs a key nothing."""
    with ContractClient(limited.url, headers={"cache-control": "no-store"}) as client:
        yield client


@pytest.mark.parametrize("number", range(len(ROUTES)), ids=[path for path, _ in ROUTES])
def test_every_route_that_works_is_limited(limited_client, limited, number):
    """Three or four requests of 100 tokens pass; then 429, `Retry-After`, and a reason among the metrics."""
    path, body = ROUTES[number]
    before = Scrape(limited.url)("rerank_refused_total", reason="rate_limit")
    headers = {"authorization": f"Bearer key-of-route-{number}"}
    answers = [limited_client.post(path, json=body, headers=headers) for _ in range(5)]
    statuses = [answer.status_code for answer in answers]
    assert statuses in ([200] * 3 + [429] * 2, [200] * 4 + [429])
    refused = answers[-1]
    assert check_envelope(refused)["code"] == "rate_limited"
    assert 1 <= int(refused.headers["retry-after"]) <= 100
    assert Scrape(limited.url)("rerank_refused_total", reason="rate_limit") - before == statuses.count(429)


def test_a_key_that_is_past_its_limit_does_not_touch_another(limited_client):
    """And what a request did not use is given back: mistakes cost nothing."""
    body = {"query": "a", "documents": [PASSAGE] * 30}

    def ask(key, body):
        return limited_client.post("/rerank", json=body, headers={"authorization": f"Bearer {key}"}).status_code

    assert [ask(KEY, body), ask(KEY, body)] == [200, 429]
    assert [ask(SECOND_KEY, {**body, "query": ""}) for _ in range(5)] == [400] * 5
    assert ask(SECOND_KEY, body) == 200


def test_what_a_first_stage_reads_is_charged_before_it_begins(limited_client):
    """Of 25 documents the large model reads one; the small one reads all, for which 300 tokens do once."""
    body = {"query": "a", "documents": [f"{PASSAGE}{number}" for number in range(25)], "keep": 1}
    headers = {"authorization": f"Bearer {PRUNING_KEY}"}
    warm = {"query": "a", "documents": [PASSAGE]}  # tells both models how many tokens texts have
    for model in ("large", "small"):
        limited_client.post("/rerank", json={**warm, "model": model}, headers={"authorization": f"Bearer {SECOND_KEY}"})
    asked = {**body, "model": "large", "first_stage": "small"}
    assert [limited_client.post("/rerank", json=asked, headers=headers).status_code for _ in range(2)] == [200, 429]
