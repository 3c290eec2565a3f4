"""Documents without a score: those that the deadline left out, and those that the model could not score."""

from __future__ import annotations

import copy
import json
import math
import pickle
import time

import pytest
from bentorank_client import (
    APIStatusError,
    APITimeoutError,
    InvalidResponseError,
    RankedDocument,
    RateLimitError,
    RerankRequest,
)
from bentorank_client.breaker import BreakerState, breaker_of
from support.scripted_server import USAGE, answer, ranking, scoring, status


def places(result):
    return [(ranked.index, ranked.relevance_score, ranked.unscored) for ranked in result]


def test_what_has_no_score_stands_last_and_says_why(make_client, scripted):
    """One attempt, no failure for the breaker, nothing degraded: a partial answer is an answer."""
    server = scripted(
        scoring({"late": "deadline_exceeded", "poison": "scoring_failed"}, ["2 of 4 documents were not scored"])
    )
    client = make_client(base_url=server.url, on_error="passthrough", on_deadline="partial", on_item_error="skip")
    result = client.rerank("q", ["late", "a", "poison", "b"])
    assert places(result) == [
        (1, 0.5, None),
        (3, 0.5, None),
        (0, -math.inf, "deadline_exceeded"),
        (2, -math.inf, "scoring_failed"),
    ]
    assert [ranked.score for ranked in result] == [0.5, 0.5, None, None]
    assert result.warnings == ("2 of 4 documents were not scored",)
    assert not result.degraded
    assert len(server.requests) == 1
    assert breaker_of(server.url).state is BreakerState.CLOSED
    assert copy.deepcopy(result) == pickle.loads(pickle.dumps(result)) == result


def test_the_service_is_asked_as_a_call_says_or_else_the_client(make_client, scripted):
    """Nothing is sent of what is not set; a cached score is refused by a header."""
    server = scripted(ranking())
    make_client(base_url=server.url).rerank("q", ["a"])
    client = make_client(base_url=server.url, on_deadline="partial", on_item_error="skip", no_cache=True)
    client.rerank("q", ["a"])
    client.rerank("q", ["a"], on_deadline="error", on_item_error="error", no_cache=False)
    client.rerank_batch([RerankRequest("q", ["a"], on_deadline="error")])
    asked = [
        (body.get("on_deadline"), body.get("on_item_error"), headers.get("cache-control"))
        for _, headers, body in server.requests
    ]
    assert asked == [
        (None, None, None),
        ("partial", "skip", "no-cache"),
        ("error", "error", None),
        ("error", "skip", "no-cache"),
    ]
    assert all("no_cache" not in body for _, _, body in server.requests)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"on_deadline": "hidden"}, "on_deadline: must be one of error, partial"),
        ({"on_deadline": "skip"}, "on_deadline: must be one of error, partial"),
        ({"on_deadline": ["partial"]}, "on_deadline: must be one of error, partial"),
        ({"on_item_error": "hidden"}, "on_item_error: must be one of error, skip"),
        ({"on_item_error": True}, "on_item_error: must be one of error, skip"),
        ({"no_cache": "hidden"}, "no_cache: must be True or False"),
        ({"no_cache": 1}, "no_cache: must be True or False"),
        ({"no_store": "hidden"}, "no_store: must be True or False"),
        ({"instruction": ["hidden"]}, "instruction: must be a text"),
        ({"first_stage": ""}, "first_stage: must be a name"),
        ({"first_stage": ["hidden"]}, "first_stage: must be a name"),
        ({"keep": 0}, "keep: must be a whole number of at least 1"),
        ({"keep": 10**30}, "keep: must be a whole number of at least 1, and 2[*][*]53 at most"),
        ({"keep": "hidden"}, "keep: must be a whole number of at least 1"),
        ({"truncation_side": "hidden"}, "truncation_side: must be one of left, right"),
    ],
)
def test_a_wrong_value_is_refused_with_the_right_ones(make_client, wrong, said):
    """By the client, by a call, by a request of a batch; before anything is sent."""
    client = make_client(base_url="http://127.0.0.1:9", on_error="passthrough")
    for refuse in (
        lambda: make_client(**wrong),
        lambda: client.rerank("q", ["a"], **wrong),
        lambda: RerankRequest("q", ["a"], **wrong),
    ):
        with pytest.raises(ValueError, match=said) as caught:
            refuse()
        assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("timeout_s", "least", "most"), [(0.04, 0.001, 0.02), (0.3, 0.1, 0.25), (4, 3, 3.6), (60, 58, 59)]
)
def test_a_partial_answer_is_asked_for_before_the_call_ends(make_client, scripted, timeout_s, least, most):
    """The service is told less than the time that is left; all of it where it would only say that it is over."""
    server = scripted(scoring({}))
    # A busy machine may take longer than 40 ms for an answer, which is no matter here.
    client = make_client(base_url=server.url, timeout_s=timeout_s, on_error="passthrough")
    client.rerank("q", ["a"], on_deadline="partial")
    client.rerank("q", ["a"], on_deadline="error", timeout_s=timeout_s + 1)
    less, whole = [float(headers["x-request-timeout"]) for _, headers, _ in server.requests]
    assert least <= less <= most
    assert timeout_s < whole <= timeout_s + 1


def test_a_service_that_answers_by_its_deadline_is_in_time(make_client, scripted):
    """Though it uses all the time that it was told of."""

    def at_the_last_moment(handler, body):
        time.sleep(float(handler.headers["X-Request-Timeout"]))
        scoring({"late": "deadline_exceeded"})(handler, body)

    client = make_client(base_url=scripted(at_the_last_moment).url, timeout_s=1, on_deadline="partial")
    assert places(client.rerank("q", ["late", "a"])) == [(1, 0.5, None), (0, -math.inf, "deadline_exceeded")]


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("top_n", [None, 2, 5])
def test_of_a_list_that_was_split_what_has_no_score_stands_last(make_client, scripted, size, top_n):
    """In the caller's order, behind scores below zero and those of all other parts; counted by `top_n`."""
    scores = {"a": 0.9, "b": -3.0, "c": 0.7, "x": "deadline_exceeded", "y": "scoring_failed", "z": "document_too_long"}
    documents = ["x", "b", "y", "c", "z", "a"]
    server = scripted(scoring(scores, ["3 of 6 documents were not scored"]))
    whole = make_client(base_url=server.url).rerank("q", documents, top_n=top_n)
    split = make_client(base_url=server.url, max_batch_size=size).rerank("q", documents, top_n=top_n)
    assert split.results == whole.results
    assert [ranked.index for ranked in split] == [5, 3, 1, 0, 2, 4][:top_n]
    assert split.warnings[0].startswith(f"documents[0:{size}]: 3 of 6")


def test_a_threshold_leaves_out_what_has_no_score(make_client, scripted):
    """The service does, and a list that it leaves empty is no invalid answer."""
    server = scripted(scoring({"x": "deadline_exceeded", "y": "deadline_exceeded"}))
    client = make_client(base_url=server.url, max_batch_size=2, on_deadline="partial")
    assert places(client.rerank("q", ["x", "y", "a"], score_threshold=0.1)) == [(2, 0.5, None)]


def test_a_part_that_is_not_answered_in_time_is_left_unscored(make_client, scripted):
    """The other parts are an answer; `top_n` counts it, a threshold leaves it out, a warning says what happened."""

    def slow_for_x(handler, body):
        if "x" in body["documents"]:
            time.sleep(0.8)
        scoring({"a": 0.9, "b": 0.1})(handler, body)

    client = make_client(base_url=scripted(slow_for_x).url, max_batch_size=2, timeout_s=0.4, on_deadline="partial")
    documents = ["x", "y", "b", "a"]
    result = client.rerank("q", documents)
    assert places(result) == [
        (3, 0.9, None),
        (2, 0.1, None),
        (0, -math.inf, "deadline_exceeded"),
        (1, -math.inf, "deadline_exceeded"),
    ]
    (warning,) = result.warnings
    assert warning.startswith("documents[0:2]: not scored: no answer from")
    assert [ranked.index for ranked in client.rerank("q", documents, top_n=3)] == [3, 2, 0]
    assert [ranked.index for ranked in client.rerank("q", documents, score_threshold=0.0)] == [3, 2]
    with pytest.raises(APITimeoutError):
        client.rerank("q", documents, on_deadline="error")


def test_parts_whose_turn_does_not_come_are_left_unscored(make_client, scripted):
    """Of parts sent one after another the first may use up all the time."""

    def until_the_deadline(handler, body):
        time.sleep(max(0.0, float(handler.headers["X-Request-Timeout"]) - 0.02))
        scoring({})(handler, body)

    server = scripted(until_the_deadline)
    client = make_client(base_url=server.url, max_batch_size=1, max_concurrency=1, timeout_s=0.5)
    result = client.rerank("q", ["a", "b", "c", "d", "e", "f", "g", "h"], on_deadline="partial")
    assert result[0].unscored is None
    assert places(result)[-1] == (7, -math.inf, "deadline_exceeded")
    assert sorted(ranked.index for ranked in result) == list(range(8))


def test_a_part_refused_until_after_the_deadline_is_left_unscored(make_client, scripted):
    """It could not be done in time; a refusal that may pass in time is tried again, and then an error."""

    def refusing(handler, body, retry_after):
        if "x" in body["documents"]:
            status(429, retry_after=retry_after)(handler, body)
        else:
            scoring({})(handler, body)

    for retry_after, code in (("60", None), ("0", 429)):
        server = scripted(lambda handler, body, after=retry_after: refusing(handler, body, after))
        client = make_client(base_url=server.url, max_batch_size=1, timeout_s=5, on_deadline="partial")
        if code is None:
            assert places(client.rerank("q", ["x", "a"])) == [(1, 0.5, None), (0, -math.inf, "deadline_exceeded")]
        else:
            with pytest.raises(RateLimitError):
                client.rerank("q", ["x", "a"])


def test_no_answer_at_all_is_no_partial_one(make_client, scripted):
    """Neither of a whole list nor of all its parts; passed through it is degraded as ever."""

    def silent(_handler, _body):
        time.sleep(0.6)

    for size in (1, 2):
        asked = {"base_url": scripted(silent).url, "max_batch_size": size, "timeout_s": 0.2, "on_deadline": "partial"}
        with pytest.raises(APITimeoutError):
            make_client(**asked).rerank("q", ["a", "b"])
        passed = make_client(**asked, on_error="passthrough").rerank("q", ["a", "b"])
        assert passed.degraded
        assert places(passed) == [(0, None, None), (1, None, None)]


@pytest.mark.parametrize(
    "row",
    [
        {"index": 1, "relevance_score": None},
        {"index": 1, "relevance_score": None, "unscored": ""},
        {"index": 1, "relevance_score": None, "unscored": True},
        {"index": 1, "relevance_score": None, "unscored": {"why": "deadline_exceeded"}},
    ],
)
def test_no_score_without_a_reason_is_no_answer(make_client, scripted, row):
    """A score that is lost on the way would pass for one that could not be."""
    body = {"results": [{"index": 0, "relevance_score": 0.5}, row], "usage": USAGE}
    with pytest.raises(InvalidResponseError):
        make_client(base_url=scripted(answer(json.dumps(body).encode())).url).rerank("q", ["a", "b"])


def test_a_service_that_knows_nothing_of_it_answers_as_before(make_client, scripted):
    """All scored, or an error."""
    server = scripted(ranking())
    client = make_client(base_url=server.url, on_deadline="partial", on_item_error="skip", no_cache=True)
    assert [ranked.unscored for ranked in client.rerank("q", ["a", "b"])] == [None, None]
    assert RankedDocument(0, 0.5).unscored is None


POISON, NAN, LONG = "owls [[poison]]", "owls [[nan]]", "owls " * 600


@pytest.mark.parametrize("size", [2, 1000])
def test_a_real_service_skips_what_it_cannot_score(make_client, service, size):
    """And says of each document why, whole or split; unless asked to, it fails."""
    client = make_client(base_url=service.url, max_batch_size=size)
    documents = [POISON, "ships", NAN, "owls", LONG, "owls eat"]
    result = client.rerank("owls eat", documents, on_item_error="skip", overflow="error")
    assert [(ranked.index, ranked.unscored) for ranked in result] == [
        (5, None),
        (3, None),
        (1, None),
        (0, "scoring_failed"),
        (2, "non_finite_score"),
        (4, "document_too_long"),
    ]
    assert len(client.rerank("owls", documents, on_item_error="skip", overflow="error", score_threshold=0.0)) == 3
    with pytest.raises(APIStatusError):
        client.rerank("owls eat", documents[:2])


def test_a_real_service_answers_before_the_call_ends(make_client, slow_service):
    """Whole or split, with the first documents scored and the others after them."""
    documents = [f"w{number} " * 18 for number in range(10)]
    for size in (10, 5):
        client = make_client(base_url=slow_service.url, max_batch_size=size, timeout_s=1.5)
        result = client.rerank("a", documents, on_deadline="partial")
        scored = [ranked for ranked in result if not ranked.unscored]
        rest = result[len(scored) :]
        assert 0 < len(scored) < len(documents) == len(result)
        assert [ranked.index for ranked in rest] == sorted(ranked.index for ranked in rest)
        assert {ranked.unscored for ranked in rest} == {"deadline_exceeded"}
        assert result.usage.pairs == len(scored)


def test_fresh_scores_are_computed_anew(make_client, remembering_service):
    """The others are remembered."""
    client = make_client(base_url=remembering_service.url, no_cache=True)
    documents = [f"asked for by {type(client).__name__} {number}" for number in range(3)]
    assert client.rerank("owls", documents).usage.cached_pairs == 0
    assert client.rerank("owls", documents).usage.cached_pairs == 0
    assert client.rerank("owls", documents, no_cache=False).usage.cached_pairs == 3
