"""What must hold for any documents: order, prefixes, neighbours, duplicates, ties."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# A few words make many documents with equal scores.
documents_of_words = st.lists(
    st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta"]), min_size=1, max_size=6).map(" ".join),
    min_size=1,
    max_size=12,
)
QUERY = "alpha beta"
over_http = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rerank(client, documents, **options):
    answer = client.rerank(QUERY, documents, **options)
    assert answer.status_code == 200, answer.text
    return [(item["index"], item["relevance_score"]) for item in answer.json()["results"]]


@over_http
@given(documents=documents_of_words, data=st.data())
def test_permuting_documents_permutes_results(client, documents, data):
    """Every document keeps its score; equal scores stand in the order of the request."""
    ranked = rerank(client, documents)
    order = data.draw(st.permutations(range(len(documents))))
    permuted = rerank(client, [documents[i] for i in order])
    assert {order[index]: score for index, score in permuted} == dict(ranked)
    for (first, score), (second, next_score) in pairwise(permuted):
        assert score > next_score or (score == next_score and first < second)


@over_http
@given(documents=documents_of_words, top_n=st.integers(1, 15))
def test_top_n_is_a_prefix(client, documents, top_n):
    """Of the ranking without it, scores included."""
    assert rerank(client, documents, top_n=top_n) == rerank(client, documents)[:top_n]


@over_http
@given(documents=documents_of_words, added=documents_of_words)
def test_other_documents_change_no_score(client, documents, added):
    """A score is between a query and one document."""
    alone, together = dict(rerank(client, documents)), dict(rerank(client, documents + added))
    assert {index: together[index] for index in alone} == alone


@over_http
@given(documents=documents_of_words, threshold=st.floats(0, 1))
def test_a_threshold_takes_exactly_what_is_below_it(client, documents, threshold):
    """In the score mode of the answer, before `top_n`."""
    expected = [(index, score) for index, score in rerank(client, documents) if score >= threshold]
    assert rerank(client, documents, score_threshold=threshold) == expected


@over_http
@given(documents=documents_of_words)
def test_the_score_mode_changes_no_order(client, documents):
    """Also where probabilities are too close to tell apart."""
    by_mode = [rerank(client, documents, score_mode=mode) for mode in ("probability", "logit", "model")]
    orders = [[index for index, _ in ranked] for ranked in by_mode]
    assert orders[0] == orders[1] == orders[2]
    assert rerank(client, documents, raw_scores=True) == by_mode[1]
    assert rerank(client, documents, use_activation=False) == by_mode[1]


PASSAGES = [
    "Mount Everest rises 8,849 m above sea level.",
    "K2 lies on the border of Pakistan and China.",
    "The summit of Everest was first reached in 1953 by Hillary and Norgay, who climbed from the south side.",
    "Bread is made of flour, water and salt.",
]


def test_the_shipped_model_keeps_scores_apart(starter_client):
    """Duplicates score equal, and neighbours of any length change a score by less than anyone sees."""

    def logits(documents):
        answer = starter_client.rerank("how tall is mount everest", documents, score_mode="logit")
        return {item["index"]: item["relevance_score"] for item in answer.json()["results"]}

    alone = logits(PASSAGES)
    crowded = logits([*PASSAGES, *("filler words " * n for n in range(1, 60)), *PASSAGES])
    assert all(crowded[i] == pytest.approx(crowded[i + 63], abs=1e-3) for i in range(4))
    assert all(crowded[i] == pytest.approx(alone[i], abs=2e-2) for i in range(4))
