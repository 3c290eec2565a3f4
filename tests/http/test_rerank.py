"""POST /rerank over loopback, with the fake engine: what comes back for a good request."""

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DOCUMENTS = [
    "gamma delta",
    "alpha only",
    "alpha and beta",
    "nothing of it",
    "beta",
]
# A server is slow compared with a function.
OVER_HTTP = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def indices(response):
    assert response.status_code == 200, response.text
    return [result["index"] for result in response.json()["results"]]


def results(response):
    assert response.status_code == 200, response.text
    return response.json()["results"]


def scores_by_index(response):
    return {result["index"]: result["relevance_score"] for result in results(response)}


def test_documents_come_back_best_first_with_their_index_in_the_request(client):
    """The document with both words of the query comes first, those with one next; index and content agree."""
    ranked = results(client.rerank("alpha beta", DOCUMENTS))
    assert ranked[0]["index"] == 2
    assert {ranked[1]["index"], ranked[2]["index"]} == {1, 4}
    assert [DOCUMENTS[result["index"]] for result in ranked] == [result["content"] for result in ranked]
    scores = [result["relevance_score"] for result in ranked]
    assert scores == sorted(scores, reverse=True)
    assert scores == [result["score"] for result in ranked]


def test_the_answer_says_what_it_cost(client):
    """Usage counts pairs and tokens, timings add up to the latency, query and model come back."""
    answer = client.rerank("alpha beta", ["alpha", "beta gamma delta"]).json()
    assert answer["query"] == "alpha beta"
    assert answer["model"] == "fake"
    assert answer["usage"] == {
        "prompt_tokens": 4 + 6,
        "completion_tokens": 0,
        "total_tokens": 4 + 6,
        "pairs": 2,
        "cached_pairs": 0,
        "truncated_documents": 0,
    }
    timings = answer["timings_ms"]
    assert timings["total"] == answer["latency_ms"]
    assert timings["queue"] + timings["tokenize"] + timings["inference"] <= timings["total"] + 0.01
    assert answer["warnings"] == []


def test_answers_have_ids_of_their_own(client):
    """Two equal requests are two answers."""
    assert client.rerank().json()["id"] != client.rerank().json()["id"]


@pytest.mark.parametrize("name", ["content", "text"])
def test_objects_rank_as_their_texts_do(client, name):
    """`content` and its other name `text` carry the passage; it comes back as `content`."""
    from_texts = results(client.rerank("alpha beta", DOCUMENTS))
    from_objects = results(client.rerank("alpha beta", [{name: text} for text in DOCUMENTS]))
    assert from_objects == from_texts


def test_texts_and_objects_may_be_mixed(client):
    """One list may hold both."""
    assert indices(client.rerank("alpha", ["beta", {"content": "alpha"}, {"text": "gamma"}]))[0] == 1


def test_content_goes_before_text(client):
    """An object with both is ranked by `content`."""
    both = {"content": "alpha", "text": "nothing"}
    assert results(client.rerank("alpha", [both]))[0]["content"] == "alpha"


def test_metadata_comes_back_untouched(client):
    """Any JSON of reasonable depth and range, only where it was sent."""
    metadata = {
        "id": 2**63 - 1,
        "negative": -(2**63),
        "price": 0.1,
        "one": 1.0,
        "none": None,
        "yes": True,
        "nested": {"list": [1, [2, [3, {"ключ": "значение"}]]], "empty": {}},
        "": "empty key",
        "emoji": "👩‍🚀\u2028\u0000",
    }
    ranked = results(client.rerank("alpha", [{"content": "alpha", "metadata": metadata}, {"content": "beta"}]))
    assert json.dumps(ranked[0]["metadata"], sort_keys=True) == json.dumps(metadata, sort_keys=True)
    assert "metadata" not in ranked[1]


def test_empty_metadata_comes_back_empty(client):
    """An empty object is something that was sent."""
    assert results(client.rerank("alpha", [{"content": "alpha", "metadata": {}}]))[0]["metadata"] == {}


@pytest.mark.parametrize("options", [{"top_k": 2}, {"top_n": 2}, {"top_k": 2, "top_n": 2}])
def test_both_names_of_top_k_cut_the_list(client, options):
    """`top_n` is `top_k`; the same number under both names is no contradiction."""
    everything = indices(client.rerank("alpha beta", DOCUMENTS))
    assert indices(client.rerank("alpha beta", DOCUMENTS, **options)) == everything[:2]


def test_top_k_beyond_the_documents_returns_all(client):
    """Asking for more than there is is no mistake."""
    assert len(indices(client.rerank("alpha beta", DOCUMENTS, top_k=1000))) == len(DOCUMENTS)


def test_null_is_the_default(client):
    """Clients that write every field send null for what is unset."""
    unset = dict.fromkeys(
        ["top_k", "top_n", "score_mode", "score_threshold", "overflow", "return_documents", "model", "deadline_ms"]
    )
    assert results(client.rerank("alpha beta", DOCUMENTS, **unset)) == results(client.rerank("alpha beta", DOCUMENTS))


def test_a_score_mode_changes_the_score_and_not_the_order(client):
    """Probability is the sigmoid of the logit; `model` is what the checkpoint says (a sigmoid for the fake engine)."""
    ranked = {
        mode: results(client.rerank("alpha beta", DOCUMENTS, score_mode=mode))
        for mode in ("probability", "logit", "model")
    }
    default = results(client.rerank("alpha beta", DOCUMENTS))
    assert ranked["probability"] == ranked["model"] == default
    assert [r["index"] for r in ranked["logit"]] == [r["index"] for r in default]
    for logit, probability in zip(ranked["logit"], default, strict=True):
        expected = 1 / (1 + math.exp(-logit["relevance_score"]))
        assert probability["relevance_score"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("mode", "threshold"), [("probability", 0.5), ("logit", 0.0)])
def test_a_threshold_leaves_out_lower_scores_in_the_scale_of_the_mode(client, mode, threshold):
    """Results at or above the threshold stay, in order; the others are gone."""
    everything = results(client.rerank("alpha beta", DOCUMENTS, score_mode=mode))
    kept = results(client.rerank("alpha beta", DOCUMENTS, score_mode=mode, score_threshold=threshold))
    assert kept == [result for result in everything if result["relevance_score"] >= threshold]
    assert 0 < len(kept) < len(everything)


def test_a_threshold_is_inclusive_and_may_leave_nothing(client):
    """A score equal to the threshold stays; a threshold above all scores gives an empty list, not an error."""
    best = results(client.rerank("alpha beta", DOCUMENTS))[0]["relevance_score"]
    assert len(results(client.rerank("alpha beta", DOCUMENTS, score_threshold=best))) == 1
    assert results(client.rerank("alpha beta", DOCUMENTS, score_threshold=1)) == []


def test_without_documents_there_is_neither_content_nor_metadata(client):
    """`return_documents: false` keeps the answer small."""
    documents = [{"content": "alpha", "metadata": {"id": 1}}]
    (result,) = results(client.rerank("alpha", documents, return_documents=False))
    assert set(result) == {"index", "score", "relevance_score", "truncated"}


def test_equal_documents_tie_and_keep_their_order(client):
    """The same text gets the same score wherever it stands, and ties go by index."""
    documents = ["beta", "alpha", "beta", "alpha", "beta"]
    response = client.rerank("alpha", documents)
    assert indices(response) == [1, 3, 0, 2, 4]
    assert len(set(scores_by_index(response).values())) == 2


words = st.sampled_from(["alpha", "beta", "gamma", "delta", "ε", "ζῆτα", "7"])
passages = st.lists(words, max_size=8).map(" ".join)


@OVER_HTTP
@given(data=st.data(), documents=st.lists(passages, min_size=1, max_size=30, unique=True))
def test_permuting_documents_permutes_results(client, data, documents):
    """The place of a document in the request is no evidence of its relevance."""
    permuted = data.draw(st.permutations(documents))
    before = results(client.rerank("alpha beta gamma", documents))
    after = results(client.rerank("alpha beta gamma", permuted))
    assert [(r["content"], r["score"]) for r in before] == [(r["content"], r["score"]) for r in after]


@OVER_HTTP
@given(documents=st.lists(passages, min_size=1, max_size=30), top_n=st.integers(1, 40))
def test_top_n_is_a_prefix(client, documents, top_n):
    """Asking for fewer results gives the first ones of the same list."""
    everything = results(client.rerank("alpha beta", documents))
    assert results(client.rerank("alpha beta", documents, top_n=top_n)) == everything[:top_n]


@OVER_HTTP
@given(documents=st.lists(passages, min_size=1, max_size=20), added=passages)
def test_adding_a_document_changes_no_other_score(client, documents, added):
    """A cross-encoder's score belongs to the pair alone."""
    before = scores_by_index(client.rerank("alpha beta", documents))
    after = scores_by_index(client.rerank("alpha beta", [*documents, added]))
    del after[len(documents)]
    assert before == after


@OVER_HTTP
@given(query=st.text(min_size=1), documents=st.lists(st.text(), min_size=1, max_size=5))
def test_any_unicode_comes_back_as_it_was_sent(client, query, documents):
    """Whatever UTF-8 can say is a text; only a blank query is refused."""
    response = client.rerank(query, documents)
    if query.isspace():
        assert response.status_code == 400
        return
    assert response.json()["query"] == query
    assert {r["index"]: r["content"] for r in results(response)} == dict(enumerate(documents))


def test_an_empty_document_is_ranked(client):
    """A retriever may hand over an empty chunk; it is no reason to fail the other documents."""
    assert indices(client.rerank("alpha", ["", "alpha", "   "]))[0] == 1


def test_a_thousand_documents(client):
    """The most that a request may hold by default, each result with its own document."""
    documents = [f"passage {i} {'alpha ' * (i % 7 == 3)}" for i in range(1000)]
    response = client.rerank("alpha", documents)
    ranked = results(response)
    assert sorted(r["index"] for r in ranked) == list(range(1000))
    assert all(documents[r["index"]] == r["content"] for r in ranked)
    assert all("alpha" in r["content"] for r in ranked[: len(range(3, 1000, 7))])
    assert response.json()["usage"]["pairs"] == 1000


def test_a_long_document_is_cut_and_says_so(client):
    """Past the model's window a passage is cut, marked and counted; the words beyond the cut do not count."""
    long = " ".join(["filler"] * 600) + " alpha"
    response = client.rerank("alpha", [long, "alpha"])
    truncated = {r["index"]: r["truncated"] for r in results(response)}
    assert truncated == {0: True, 1: False}
    assert response.json()["usage"]["truncated_documents"] == 1
    assert indices(response) == [1, 0]


def test_unknown_fields_are_ignored(client):
    """Clients of other APIs send more than ours knows."""
    assert indices(client.rerank("alpha", ["beta", "alpha"], user="me", max_chunks_per_doc=3)) == [1, 0]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"],
)
def test_content_types_that_mean_json(client, content_type):
    """Parameters, capitals and +json types are JSON too."""
    body = json.dumps({"query": "alpha", "documents": ["alpha"]})
    response = client.post("/rerank", content=body, headers={"content-type": content_type})
    assert response.status_code == 200


def test_the_request_id_is_echoed(client):
    """A usable X-Request-Id comes back in the header, so that both sides' logs can be joined."""
    sent = "trace-1.2:3/4@host=a+b_c"
    assert client.rerank(headers={"x-request-id": sent}).headers["x-request-id"] == sent


@pytest.mark.parametrize(
    "sent", ["has space", "a" * 129, "semi;colon", "", 'quote"', "ümlaut".encode().decode("latin-1")]
)
def test_an_unusable_request_id_is_replaced(client, sent):
    """What could break a log line gets a new id instead."""
    headers = {"x-request-id": sent.encode("latin-1")}
    echoed = client.rerank(headers=headers).headers["x-request-id"]
    assert echoed != sent
    assert len(echoed) == 32


def test_one_connection_serves_many_requests(client):
    """Good and bad requests alternate on one kept-alive connection."""
    for _ in range(5):
        assert client.rerank().status_code == 200
        assert client.post("/rerank", content=b"x" * 100_000, headers={"content-type": "text/plain"}).status_code == 415
        assert client.rerank(documents=[]).status_code == 400
