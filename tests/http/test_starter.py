"""The model that ships, behind HTTP: it ranks, and a pair's score does not depend on its company."""

import random

import pytest

QUERY = "how tall is mount everest"
DOCUMENTS = [
    "K2 lies on the border of Pakistan and China.",
    "The recipe asks for two eggs and a cup of flour.",
    "Mount Everest rises 8,849 m above sea level.",
    "Parliament voted on the budget after a long debate.",
]
# Quantised to 8 bits and computed in bfloat16, a logit moves a little with the padding of its batch.
LOGIT_TOLERANCE = 0.25


def logits(client, query, documents):
    answer = client.rerank(query, documents, score_mode="logit", return_documents=False)
    assert answer.status_code == 200, answer.text
    return {result["index"]: result["score"] for result in answer.json()["results"]}


def test_it_ranks(starter_client):
    """The sentence that answers the question comes first, and is likelier relevant than not."""
    ranked = starter_client.rerank(QUERY, DOCUMENTS).json()["results"]
    assert ranked[0]["index"] == 2
    assert ranked[0]["score"] > ranked[-1]["score"]


def test_equal_documents_tie_and_keep_their_order(starter_client):
    """Exactly: a caller's duplicates do not swap places from request to request."""
    scores = logits(starter_client, QUERY, [DOCUMENTS[2]] * 5)
    assert list(scores) == [0, 1, 2, 3, 4]
    assert len(set(scores.values())) == 1


def test_the_same_request_gets_the_same_answer(starter_client):
    """To the last bit, on an otherwise idle service."""
    assert logits(starter_client, QUERY, DOCUMENTS) == logits(starter_client, QUERY, DOCUMENTS)


def test_company_moves_a_score_no_further_than_the_tolerance(starter_client):
    """Alone, among few and among 60 of all lengths: the same logit."""
    words = ["the", "of", "mountain", "everest", "height", "metres", "is", "tall", "budget", "eggs", "china"]
    maker = random.Random(7)
    crowd = [" ".join(maker.choices(words, k=maker.randint(1, 120))) for _ in range(60)]
    alone = {index: logits(starter_client, QUERY, [document])[0] for index, document in enumerate(DOCUMENTS)}
    together = logits(starter_client, QUERY, DOCUMENTS)
    crowded = logits(starter_client, QUERY, [*DOCUMENTS, *crowd])
    for index, logit in alone.items():
        assert together[index] == pytest.approx(logit, abs=LOGIT_TOLERANCE)
        assert crowded[index] == pytest.approx(logit, abs=LOGIT_TOLERANCE)


def test_a_long_document_is_cut_and_says_so(starter_client):
    """Past the window the passage is truncated, the query never."""
    answer = starter_client.rerank(QUERY, ["Everest is a mountain. " * 2000, "Everest"]).json()
    assert {r["index"]: r["truncated"] for r in answer["results"]} == {0: True, 1: False}
    assert answer["usage"]["truncated_documents"] == 1


@pytest.mark.parametrize(
    "text", ["", " ", "\u0000", "👩‍🚀" * 50, "中文文本" * 50, "a" * 5000, "\u202eright to left", "[SEP] [CLS] [PAD]"]
)
def test_odd_texts_get_a_finite_score(starter_client, text):
    """Whatever a crawler finds, including what looks like the tokenizer's own words."""
    assert len(logits(starter_client, QUERY, [text, DOCUMENTS[2]])) == 2


def test_the_service_names_its_model(starter_client):
    """Not `fake`, not a path on the server's disk."""
    about = starter_client.get("/").json()
    assert about["engine"] in {"openvino", "torch"}
    assert "/" not in about["model"].removeprefix("bentorank/")
