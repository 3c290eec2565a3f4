"""A first stage prunes what the model reads: what is pruned stands last, has no score, and is no failure."""

from __future__ import annotations

import copy
import json
import math
import pickle

import pytest
from bentorank_client import BadRequestError, FirstStageUsage, RerankRequest
from support.scripted_server import USAGE, answer

# Of the query's words, `small` reads 14 words of a document: both find 1 and 4, `big` also 2.
DOCUMENTS = ["none", "alpha", "filler " * 20 + "alpha", "other", "beta alpha", "more"]


def test_what_is_pruned_stands_last_without_a_score(make_client, several):
    """As a call asks, or else the client; scores of the others are what they are without it."""
    client = make_client(base_url=several.url, first_stage="small", keep=2)
    whole = client.rerank("alpha", DOCUMENTS, first_stage="none")
    result = client.rerank("alpha", DOCUMENTS)
    assert [ranked.pruned for ranked in whole] == [False] * 6
    kept, pruned = result[:2], result[2:]
    assert {ranked.index for ranked in kept} == {1, 4}
    assert set(kept) <= set(whole)
    assert {(ranked.score, ranked.relevance_score, ranked.unscored) for ranked in pruned} == {
        (None, -math.inf, "pruned")
    }
    assert all(ranked.pruned for ranked in pruned)
    assert result.warnings == ()
    assert not result.degraded
    assert (
        make_client(base_url=several.url).rerank("alpha", DOCUMENTS, first_stage="small", keep=2).results == result[:]
    )
    assert copy.deepcopy(result) == pickle.loads(pickle.dumps(result)) == result


def test_it_is_told_what_each_stage_read_and_took(make_client, several):
    """Nothing of a first stage where none was needed."""
    client = make_client(base_url=several.url, keep=2)
    result = client.rerank("alpha", DOCUMENTS, first_stage="small")
    assert result.usage.pairs == 2
    first = result.usage.first_stage
    assert (first.name, first.pairs, first.pruned_documents) == ("small", 6, 4)
    assert 0 < first.tokens < result.usage.total_tokens
    assert 0 < result.timings_ms.first_stage < result.timings_ms.total
    few = client.rerank("alpha", DOCUMENTS[:2], first_stage="small")
    assert (few.usage.first_stage, few.timings_ms.first_stage) == (None, None)


def test_as_many_are_kept_as_are_wanted_and_a_threshold_passes_none_without_a_score(make_client, several):
    """So that nothing is cut from what a caller wants, and nothing let through of which nothing is known."""
    client = make_client(base_url=several.url, first_stage="small", keep=1)
    assert [ranked.pruned for ranked in client.rerank("alpha", DOCUMENTS, top_n=4)] == [False] * 4
    assert len(client.rerank("alpha", DOCUMENTS, score_threshold=0.0)) == 1


@pytest.mark.parametrize("size", [2, 3])
def test_of_a_list_that_was_split_each_part_keeps_its_best(make_client, several, size):
    """What is pruned stands behind all that has a score, each part's best first; costs are sums."""
    documents = ["none", "alpha", "alpha beta", "alpha", "other", "alpha beta"]
    client = make_client(base_url=several.url, max_batch_size=size, first_stage="small", keep=1)
    result = client.rerank("alpha beta", documents)
    kept = [ranked.index for ranked in result if not ranked.pruned]
    assert kept == {2: [2, 5, 1], 3: [2, 5]}[size]
    assert [ranked.index for ranked in result if ranked.pruned] == {2: [0, 3, 4], 3: [1, 3, 0, 4]}[size]
    assert result.usage.first_stage == FirstStageUsage("small", 6, result.usage.first_stage.tokens, 6 - len(kept))
    assert result.timings_ms.first_stage > 0


def test_each_request_of_a_batch_has_its_own(make_client, several):
    """As each call has."""
    client = make_client(base_url=several.url, first_stage="small", keep=2)
    pruned, whole = client.rerank_batch(
        [RerankRequest("alpha", DOCUMENTS), RerankRequest("alpha", DOCUMENTS, first_stage="none")]
    )
    assert [sum(ranked.pruned for ranked in result) for result in (pruned, whole)] == [4, 0]


def test_a_model_may_be_set_to_have_one(make_client, several):
    """Which who has not asked for it is told, and each model's is described."""
    client = make_client(base_url=several.url, model="pruning")
    result = client.rerank("alpha", DOCUMENTS)
    assert sum(ranked.pruned for ranked in result) == 4
    assert result.warnings == ("4 of 6 documents were pruned by a first stage and have no score",)
    big, small, pruning = client.models()
    assert (big.first_stages, big.first_stage, big.keep) == (("small", "pruning"), None, 50)
    assert small.first_stages == ("big", "large", "pruning"), "aliases too"
    assert (pruning.first_stage, pruning.keep) == ("small", 2)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"first_stage": "huge"}, "first_stage: not served here; there are small, pruning"),
        ({"keep": 3}, "keep: there is no first stage to keep documents of"),
    ],
)
def test_what_the_service_cannot_do_is_refused_by_name(make_client, several, asked, said):
    """And raised whatever is to happen when a service fails: as with a wrong model, no other query would help."""
    client = make_client(base_url=several.url, on_error="passthrough", **asked)
    with pytest.raises(BadRequestError, match=said) as caught:
        client.rerank("alpha", DOCUMENTS)
    assert (caught.value.status, caught.value.code) == (400, "no_first_stage")
    assert "check first_stage and keep" in str(caught.value)


def test_an_older_service_reads_everything(make_client, scripted):
    """And says nothing of a first stage."""
    body = {"results": [{"index": 0, "relevance_score": 0.5}], "usage": USAGE, "timings_ms": None}
    server = scripted(answer(json.dumps(body).encode()))
    result = make_client(base_url=server.url, first_stage="embeddings", keep=1).rerank("q", ["a"])
    assert (result[0].pruned, result.usage.first_stage) == (False, None)
