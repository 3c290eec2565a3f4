"""Documents without text: whatever the model says of nothing, they stand behind every document that has some."""

import pytest
from support.metrics import Scrape

QUERY = "how tall is mount everest"
EMPTY = ["", "   ", "\u200b", "\u3000\n"]
# Far from the query, so that the model alone would put nothing before them.
FAR = ["Bread is made of flour, water and salt.", "The shop is closed on Mondays."]
DOCUMENTS = [*EMPTY[:2], FAR[0], *EMPTY[2:], FAR[1]]
EMPTY_PLACES = [0, 1, 3, 4]


def test_they_stand_last_in_the_callers_order(starter_client):
    """Unread, with a probability of 0, and a warning that counts them."""
    answer = starter_client.rerank(QUERY, DOCUMENTS).json()
    assert [result["index"] for result in answer["results"]][2:] == EMPTY_PLACES
    assert [result["relevance_score"] for result in answer["results"]][2:] == [0.0] * 4
    assert answer["usage"]["pairs"] == 2
    assert answer["warnings"] == ["4 of 6 documents were empty and stand last, unread"]
    assert {result["index"] for result in starter_client.rerank(QUERY, DOCUMENTS, top_n=2).json()["results"]} == {2, 5}


def test_alone_they_are_answered_as_they_came(starter_client):
    """Nothing is scored, and nothing fails."""
    answer = starter_client.rerank(QUERY, EMPTY, overflow="chunk").json()
    assert [result["index"] for result in answer["results"]] == [0, 1, 2, 3]
    assert answer["usage"]["total_tokens"] == 0


@pytest.mark.parametrize(
    ("path", "body", "results"),
    [
        ("/rerank", {"texts": DOCUMENTS}, None),
        ("/v1/rerank", {"documents": DOCUMENTS}, "results"),
        ("/v2/rerank", {"documents": DOCUMENTS}, "results"),
        ("/v1/reranking", {"input": DOCUMENTS}, "data"),
    ],
)
def test_in_every_dialect(starter_client, path, body, results):
    """A bare list, results or data: the last are the empty ones."""
    answer = starter_client.post(path, json={"query": QUERY, **body}).json()
    ranked = answer if results is None else answer[results]
    assert [result["index"] for result in ranked][2:] == EMPTY_PLACES


def test_logits_stay_finite_and_descend(starter_client):
    """NIM's clients sort by them."""
    body = {"query": {"text": QUERY}, "passages": [{"text": text} for text in DOCUMENTS]}
    rankings = starter_client.post("/v1/ranking", json=body).json()["rankings"]
    logits = [ranking["logit"] for ranking in rankings]
    assert [ranking["index"] for ranking in rankings][2:] == EMPTY_PLACES
    assert logits == sorted(logits, reverse=True)
    assert logits[-1] < -1e38


def test_scores_of_pairs_say_the_same(starter_client):
    """On `/score`, a pair without a passage has a probability of 0."""
    answer = starter_client.post("/score", json={"text_1": QUERY, "text_2": DOCUMENTS}).json()
    assert [place for place, item in enumerate(answer["data"]) if item["score"] == 0.0] == EMPTY_PLACES


def test_they_are_counted(starter_service, starter_client):
    """A pipeline that loses its texts should be seen."""
    name = "rerank_empty_documents_total"
    before = Scrape(starter_service.url)(name)
    starter_client.rerank(QUERY, DOCUMENTS)
    assert Scrape(starter_service.url)(name) == before + 4


@pytest.mark.parametrize("stage", [{}, {"first_stage": "embeddings", "keep": 1}])
def test_one_that_does_not_fit_is_left_out_as_any_other(starter_client, stage):
    """It has tokens, although nobody sees a character of it."""
    documents = [FAR[0], "\u3164 " * 900, FAR[1]]
    answer = starter_client.rerank(QUERY, documents, overflow="error", on_item_error="skip", **stage)
    assert answer.status_code == 200, answer.text
    unscored = {each["index"]: each.get("unscored") for each in answer.json()["results"]}
    assert unscored[1] == "document_too_long"
