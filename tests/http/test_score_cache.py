"""Scores that are remembered: what a caller sees of it, and how not to."""

import pytest
from support.metrics import settled_scrape

DOCUMENTS = ["owls eat mice", "bread needs flour", "mice eat grain"]


def scores(response):
    return {result["index"]: result["relevance_score"] for result in response.json()["results"]}


def test_a_pair_that_was_scored_is_remembered(remembering_client, remembering_service):
    """Bit for bit, in any list, without a pass of the model; the usage and the metrics say so."""
    first = remembering_client.rerank("what eats mice", DOCUMENTS)
    before = settled_scrape(remembering_service.url)
    again = remembering_client.rerank("what eats mice", [*reversed(DOCUMENTS), "new"])
    after = settled_scrape(remembering_service.url)
    assert [scores(again)[2 - index] for index in range(3)] == [scores(first)[index] for index in range(3)]
    assert again.json()["usage"] | {"prompt_tokens": 0} == again.json()["usage"] | {
        "prompt_tokens": 0,
        "pairs": 4,
        "cached_pairs": 3,
        "total_tokens": 5,
    }
    hits, misses = ({"level": "memory", "result": result} for result in ("hit", "miss"))
    assert after("rerank_cache_requests_total", **hits) - before("rerank_cache_requests_total", **hits) == 3
    assert after("rerank_cache_requests_total", **misses) - before("rerank_cache_requests_total", **misses) == 1
    assert after("rerank_cache_entries") == before("rerank_cache_entries") + 1
    assert after("rerank_cache_bytes") > before("rerank_cache_bytes") > 0


@pytest.mark.parametrize("header", ["no-cache", "no-store", "max-age=0", "No-Store , private"])
def test_a_caller_may_want_fresh_scores(remembering_client, header):
    """The same ones, computed again."""
    remembered = remembering_client.rerank("mice", DOCUMENTS)
    fresh = remembering_client.rerank("mice", DOCUMENTS, headers={"cache-control": header})
    assert fresh.json()["usage"]["cached_pairs"] == 0
    assert scores(fresh) == scores(remembered)


@pytest.mark.parametrize(("header", "cached"), [("no-cache", 3), ("no-store", 0)])
def test_fresh_scores_are_remembered_unless_that_is_not_wanted_either(remembering_client, header, cached):
    """Whoever comes next has them."""
    query = f"who eats, {header}"
    remembering_client.rerank(query, DOCUMENTS, headers={"cache-control": header})
    assert remembering_client.rerank(query, DOCUMENTS).json()["usage"]["cached_pairs"] == cached


def test_scores_of_pairs_are_remembered_under_every_path(remembering_client):
    """And a header is heard there too."""
    body = {"queries": "grain", "documents": DOCUMENTS}
    first = remembering_client.post("/score", json=body).json()
    again = remembering_client.post("/score", json=body).json()
    fresh = remembering_client.post("/score", json=body, headers={"cache-control": "no-cache"}).json()
    assert [item["score"] for item in first["data"]] == [item["score"] for item in again["data"]]
    assert (again["usage"]["total_tokens"], fresh["usage"]["total_tokens"]) == (0, first["usage"]["total_tokens"])


def test_how_long_a_document_may_be_is_part_of_what_is_remembered(remembering_client):
    """A document cut for one caller is not cut for another."""
    long = "w " * 40 + "owl"
    cut = remembering_client.rerank("owl", [long], max_tokens_per_doc=5)
    whole = remembering_client.rerank("owl", [long])
    assert scores(cut)[0] < 0.1
    assert scores(whole)[0] > 0.9
    assert remembering_client.rerank("owl", [long], max_tokens_per_doc=5).json()["results"][0]["truncated"]
