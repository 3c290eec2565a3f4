"""An answer without all of its scores, for callers who take one: `on_deadline` and `on_item_error`."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.metrics import Scrape, settled_scrape

POISON, NAN, LONG = "b [[poison]]", "a [[nan]]", "w " * 600


def unscored(response):
    return [(result["index"], result.get("unscored")) for result in response.json()["results"]]


def test_part_of_the_documents_is_ranked_when_the_deadline_passes(slow_client, slow_service):
    """The first ones, best first; the others after them as they were sent, marked, with a warning and a count."""
    documents = [f"{'ba'[n % 2]} {'w ' * 18}" for n in range(14)]
    before = settled_scrape(slow_service.url)
    response = slow_client.rerank("a", documents, deadline_ms=1200, on_deadline="partial", top_k=None)
    assert response.status_code == 200
    body = response.json()
    assert body["latency_ms"] < 1200
    scored = [result for result in body["results"] if "unscored" not in result]
    assert 2 <= len(scored) < 14
    assert sorted(result["index"] for result in scored) == list(range(len(scored)))
    scores = [result["relevance_score"] for result in scored]
    assert scores == sorted(scores, reverse=True)
    rest = body["results"][len(scored) :]
    assert [(result["index"], result["relevance_score"], result["score"], result["unscored"]) for result in rest] == [
        (index, None, None, "deadline_exceeded") for index in range(len(scored), 14)
    ]
    assert body["warnings"] == [f"{len(rest)} of 14 documents have no score and stand last: deadline_exceeded"]
    assert body["usage"]["pairs"] == len(scored)
    counted = "rerank_unscored_documents_total"
    after = settled_scrape(slow_service.url)
    assert after(counted, reason="deadline_exceeded") - before(counted, reason="deadline_exceeded") == len(rest)


def test_without_any_time_a_partial_answer_is_what_was_sent(client):
    """No error, no score: the order of the retriever."""
    response = client.rerank("a", ["b", "a", "c"], deadline_ms=0.001, on_deadline="partial")
    assert response.status_code == 200
    assert unscored(response) == [(index, "deadline_exceeded") for index in range(3)]


def test_a_threshold_lets_nothing_pass_that_has_no_score(client):
    """Whoever asks for relevant documents alone is not given unread ones."""
    response = client.rerank("a", ["b", "a"], deadline_ms=0.001, on_deadline="partial", score_threshold=0.0)
    assert response.json()["results"] == []


def test_a_partial_request_waits_behind_others_and_takes_what_it_gets(slow_client, slow_service):
    """Where one that needs everything is refused at once, since it could not be in time."""
    with ThreadPoolExecutor(1) as threads:
        slow_client.rerank("a", ["w " * 38])
        running = threads.submit(slow_client.rerank, "a", ["w " * 178])
        while Scrape(slow_service.url)("rerank_active_requests") < 1:
            time.sleep(0.01)
        response = slow_client.rerank("a", ["b", "a"], deadline_ms=300, on_deadline="partial")
        assert running.result().status_code == 200
    assert unscored(response) == [(0, "deadline_exceeded"), (1, "deadline_exceeded")]


@pytest.mark.parametrize(
    ("poison", "options", "reason"),
    [
        (POISON, {}, "scoring_failed"),
        (NAN, {}, "non_finite_score"),
        (LONG, {"overflow": "error"}, "document_too_long"),
    ],
)
def test_a_document_that_cannot_be_scored_is_skipped(client, service, poison, options, reason):
    """The others have the scores that they have without it; it stands last, with the reason."""
    clean = client.rerank("a", ["a b", "c", "a"], **options).json()["results"]
    before = settled_scrape(service.url)
    response = client.rerank("a", [poison, "a b", "c", "a"], on_item_error="skip", **options)
    assert response.status_code == 200
    *results, last = response.json()["results"]
    assert [(r["index"] - 1, r["relevance_score"]) for r in results] == [
        (r["index"], r["relevance_score"]) for r in clean
    ]
    assert (last["index"], last["relevance_score"], last["unscored"]) == (0, None, reason)
    assert response.json()["warnings"] == [f"1 of 4 documents have no score and stand last: {reason}"]
    counted = "rerank_unscored_documents_total"
    assert settled_scrape(service.url)(counted, reason=reason) - before(counted, reason=reason) == 1
    assert client.rerank("a", [poison, "a"], **options).status_code in (400, 500), "unless asked for, it is an error"


def test_a_long_document_that_fits_in_chunks_is_not_skipped(client):
    """Skipping is for what cannot be scored."""
    assert unscored(client.rerank("a", [LONG, "a"], on_item_error="skip", overflow="chunk")) == [(1, None), (0, None)]


def test_both_under_the_paths_of_other_apis(client):
    """The superset takes the same fields, and Voyage's list says null."""
    body = {"query": "a", "documents": [POISON, "a"], "on_item_error": "skip", "on_deadline": "partial"}
    answer = client.post("/v1/rerank", json=body).json()
    assert answer["results"][1]["unscored"] == "scoring_failed"
    assert [item["relevance_score"] is None for item in answer["data"]] == [False, True]


def test_each_request_of_a_batch_says_what_it_takes(client):
    """One that skips does not make another skip."""
    skipping = {"query": "a", "documents": [POISON, "a"], "on_item_error": "skip"}
    answer = client.post("/rerank/batch", json=[skipping, {"query": "a", "documents": ["a"]}])
    assert [len(response["results"]) for response in answer.json()] == [2, 1]
    failing = client.post("/rerank/batch", json=[skipping, {"query": "a", "documents": [POISON]}])
    assert failing.status_code == 500
    assert failing.json()["message"].startswith("requests[1].documents[0]:")


@pytest.mark.parametrize(
    ("field", "value"), [("on_deadline", "skip"), ("on_item_error", "partial"), ("on_deadline", 1)]
)
def test_another_word_is_a_400(client, field, value):
    """Named."""
    response = client.rerank("a", ["a"], **{field: value})
    assert response.status_code == 400
    assert response.json()["message"].startswith(f"{field}:")
