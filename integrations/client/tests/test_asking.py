"""What a call may ask for, and all that comes back with the ranking."""

from __future__ import annotations

import json

import pytest
from bentorank_client import APITimeoutError, BadRequestError, RerankRequest, Span
from support.scripted_server import answer, ranking

LATE = "filler " * 600 + "owls eat mice"
SHORT = ["Owls eat mice.", "Ships carry freight."]


def test_a_long_document_is_cut_split_or_refused(make_client, service):
    """As a call says, or else the client; a span says where the best chunk stands."""
    client = make_client(base_url=service.url)
    (cut,) = client.rerank("owls", [LATE])
    assert cut.truncated
    assert cut.span is None
    split = client.rerank("owls", [LATE, *SHORT], overflow="chunk")
    best = {ranked.index: ranked for ranked in split}[0]
    assert not best.truncated
    assert "owls eat mice" in LATE[best.span.start : best.span.end]
    assert best.relevance_score > cut.relevance_score
    chunking = make_client(base_url=service.url, overflow="chunk")
    assert chunking.rerank("owls", [LATE, *SHORT]).results == split.results
    with pytest.raises(BadRequestError, match=r"documents\[1\]: 60\d tokens"):
        chunking.rerank("owls", ["a", LATE], overflow="error")


def test_other_wishes_reach_the_service(make_client, service):
    """Tokens and chunks that are read, and how scores are presented."""
    client = make_client(base_url=service.url, max_tokens_per_doc=2)
    few = client.rerank("owls", [LATE])
    assert few.usage.total_tokens < client.rerank("owls", [LATE], max_tokens_per_doc=0).usage.total_tokens
    assert few.warnings == ("1 of 1 documents were longer than was to be read and were cut",)
    one = client.rerank("owls", [LATE], max_tokens_per_doc=0, max_chunks_per_doc=1, overlap_tokens=5)
    assert one.usage.pairs == 1
    logits = [ranked.relevance_score for ranked in client.rerank("owls", SHORT, score_mode="logit")]
    assert logits != [ranked.relevance_score for ranked in client.rerank("owls", SHORT)]


def test_it_is_told_what_a_rerank_cost(make_client, service):
    """Tokens, pairs, and where the time went."""
    result = make_client(base_url=service.url).rerank("owls", SHORT)
    assert result.usage.pairs == 2
    assert result.timings_ms.total >= result.timings_ms.inference >= 0
    assert result.warnings == ()


def test_a_model_may_be_named_for_one_call(make_client, scripted):
    """In place of the client's."""
    server = scripted(ranking())
    client = make_client(base_url=server.url, model="a", score_mode="logit")
    client.rerank("q", ["d"], model="b")
    client.rerank("q", ["d"])
    assert [(body["model"], body["score_mode"]) for _, _, body in server.requests] == [("b", "logit"), ("a", "logit")]


def test_every_wish_is_sent_as_a_call_or_else_the_client_has_it(make_client, scripted):
    """Nothing of what is not set; what may be remembered is said by a header."""
    server = scripted(ranking())
    own = {
        "instruction": "Find rivers.",
        "first_stage": "embeddings",
        "keep": 20,
        "truncation_side": "left",
        "no_store": True,
    }
    client = make_client(base_url=server.url, **own)
    client.rerank("q", ["d"])
    client.rerank("q", ["d"], instruction="", first_stage="none", truncation_side="right", no_store=False)
    client.rerank_batch([RerankRequest("q", ["d"], instruction="Find bread.", no_cache=True)])
    make_client(base_url=server.url).rerank("q", ["d"])
    names = [name for name in own if name != "no_store"]
    assert [[body.get(name) for name in names] for _, _, body in server.requests] == [
        ["Find rivers.", "embeddings", 20, "left"],
        ["", "none", None, "right"],  # there is nothing to keep documents of
        ["Find bread.", "embeddings", 20, "left"],
        [None, None, None, None],
    ]
    said = [headers.get("cache-control") for _, headers, _ in server.requests]
    assert said == ["no-store", None, "no-store", None]
    assert all(body.keys().isdisjoint({"no_store", "no_cache"}) for _, _, body in server.requests)


def test_an_instruction_that_no_model_reads_is_told(make_client, service):
    """By the service's warning, of a list that was split too, once."""
    for size in (1, 1000):
        client = make_client(base_url=service.url, instruction="Find owls.", max_batch_size=size)
        assert client.rerank("owls", SHORT).warnings == ("instruction: this model reads none, and it was ignored",)


def test_a_document_is_cut_at_the_end_that_is_named(make_client, service):
    """What stands at the other is read."""
    client = make_client(base_url=service.url)
    right, left = (client.rerank("owls", [LATE], truncation_side=side)[0] for side in ("right", "left"))
    assert right.truncated
    assert left.truncated
    assert left.relevance_score > right.relevance_score


def test_what_is_not_to_be_remembered_is_not(make_client, remembering_service):
    """Neither is it answered from memory."""
    client = make_client(base_url=remembering_service.url)
    documents = [f"stored by {type(client).__name__} {number}" for number in range(3)]
    assert client.rerank("owls", documents, no_store=True).usage.cached_pairs == 0
    assert client.rerank("owls", documents).usage.cached_pairs == 0
    assert client.rerank("owls", documents, no_store=True).usage.cached_pairs == 0
    assert client.rerank("owls", documents).usage.cached_pairs == 3


def test_of_mappings_what_is_read_is_sent(make_client, scripted):
    """The text, or the rank_fields; metadata stays here, be it NaN."""
    server = scripted(ranking())
    client = make_client(base_url=server.url, rank_fields=["title", "stars"])
    films = [
        {"title": "Owls", "text": "They eat mice.", "stars": 4.5, "metadata": {"x": float("nan")}},
        "a text",
        {"title": None, "stars": 2, "copy": 1},
    ]
    client.rerank("q", films)
    client.rerank("q", [{"content": "a", "text": "b", "metadata": {1: {2}}}, {"text": "b"}], rank_fields=[])
    (_, _, fields), (_, _, texts) = server.requests
    assert fields["documents"] == [{"title": "Owls", "stars": 4.5}, "a text", {"stars": 2}]
    assert fields["rank_fields"] == ["title", "stars"]
    assert texts["documents"] == ["a", "b"]
    assert "rank_fields" not in texts


def test_mappings_are_ranked_by_their_fields(make_client, service):
    """By a real service."""
    films = [{"title": "Ships", "plot": "freight"}, {"title": "Owls", "plot": "mice"}]
    result = make_client(base_url=service.url).rerank("owls mice", films, rank_fields=["title", "plot"])
    assert (
        result.results
        == make_client(base_url=service.url).rerank("owls mice", ["Ships\nfreight", "Owls\nmice"]).results
    )


@pytest.mark.parametrize("encoder", ["orjson", "json"])
def test_lone_surrogates_are_replaced_and_told(make_client, scripted, encoder, monkeypatch):
    """One for one, so that spans still fit; whatever writes the JSON."""
    if encoder == "json":
        monkeypatch.setattr("bentorank_client.json_text.orjson", None)
    server = scripted(ranking())
    client = make_client(base_url=server.url, on_error="passthrough")
    result = client.rerank("ow\udc00ls", ["a", "cut \ud83d", {"text": "\ud83d\ude00"}, "\U0001f600"])
    assert server.requests[0][2]["query"] == "ow\ufffdls"
    assert server.requests[0][2]["documents"] == ["a", "cut \ufffd", "\ufffd\ufffd", "\U0001f600"]
    assert not result.degraded
    assert result.warnings == (
        "query, documents[1], documents[2]: lone surrogates are no characters and were sent as U+FFFD",
    )
    assert client.rerank("q", ["\ud800"] * 9).warnings[0].startswith("documents[0], documents[1]")
    assert "documents[4] and 4 more: lone" in client.rerank("q", ["\ud800"] * 9).warnings[0]


def test_a_split_list_is_merged_with_all_that_was_said(make_client, service):
    """Spans and cuts of the same documents, sums of what was spent, and positions in the caller's list."""
    documents = ["owls 1", LATE, "owls 2", "owls \ud800 3", LATE, "owls 4"]
    whole = make_client(base_url=service.url, overflow="chunk").rerank("owls", documents)
    split = make_client(base_url=service.url, overflow="chunk", max_batch_size=2).rerank("owls", documents)
    assert split.results == whole.results
    assert split.usage == whole.usage
    assert (
        split.warnings == whole.warnings == ("documents[3]: lone surrogates are no characters and were sent as U+FFFD",)
    )
    assert split.timings_ms.total > 0
    cut = make_client(base_url=service.url, max_batch_size=3).rerank("owls", documents)
    assert [warning.partition(" of ")[0] for warning in cut.warnings if "cut" in warning] == [
        "documents[0:3]: 1",
        "documents[3:6]: 1",
    ]


def test_an_empty_document_stands_last_in_a_split_list_too(make_client, service):
    """Though the best of its part alone."""
    documents = ["", " ", "ships", "owls eat mice"]
    client = make_client(base_url=service.url, max_batch_size=2)
    for mode in ("probability", "logit"):
        result = client.rerank("owls", documents, score_mode=mode)
        assert [ranked.index for ranked in result][2:] == [0, 1]
        assert result.warnings == ("documents[0:2]: 2 of 2 documents were empty and stand last, unread",)


def test_an_error_of_a_part_names_the_caller_s_document(make_client, service):
    """Not the part's."""
    client = make_client(base_url=service.url, max_batch_size=2)
    with pytest.raises(BadRequestError, match=r"documents\[5\]: 60\d tokens"):
        client.rerank("owls", [*["a"] * 5, LATE], overflow="error")


def test_nothing_is_sent_of_a_list_that_cannot_be(make_client, scripted):
    """Though its first part could."""
    server = scripted(ranking())
    with pytest.raises(ValueError, match=r"documents\[5\]: must be a text or a mapping"):
        make_client(base_url=server.url, max_batch_size=2).rerank("q", [*["a"] * 5, None])
    assert server.requests == []


def test_a_call_has_its_own_deadline(make_client, scripted):
    """Longer or shorter than the client's, and the service is told; what is left of another's may be nothing."""
    server = scripted(ranking())
    client = make_client(base_url=server.url, timeout_s=20)
    client.rerank("q", ["a"], timeout_s=60)
    client.rerank_batch([RerankRequest("q", ["a"], timeout_s=5)])
    client.rerank("q", ["a"])
    told = [float(headers["x-request-timeout"]) for _, headers, _ in server.requests]
    assert [round(seconds) for seconds in told] == [60, 5, 20]
    with pytest.raises(APITimeoutError, match="timeout_s=-1"):
        client.rerank("q", ["a"], timeout_s=-1)
    assert len(server.requests) == 3


def test_a_request_of_a_batch_has_what_a_call_has(make_client, service):
    """Such as how its long documents are read."""
    requests = [RerankRequest("owls", [LATE], overflow="chunk"), RerankRequest("owls", [LATE])]
    split, cut = make_client(base_url=service.url).rerank_batch(requests)
    assert isinstance(split[0].span, Span)
    assert cut[0].truncated


@pytest.mark.parametrize(
    "more", [{}, {"warnings": None, "timings_ms": None}, {"something": "new"}], ids=["older", "null", "newer"]
)
def test_an_older_or_newer_service_does_no_harm(make_client, scripted, more):
    """What it does not say is absent, what is not known is ignored."""
    body = {
        "results": [{"index": 0, "relevance_score": 0.5}],
        "usage": {"total_tokens": 1, "pairs": 1, "cached_pairs": 0, "truncated_documents": 0},
    }
    server = scripted(answer(json.dumps(body | more).encode()))
    result = make_client(base_url=server.url).rerank("q", ["a"], overflow="chunk")
    assert (result[0].span, result.warnings, result.timings_ms) == (None, (), None)


def test_any_iterable_of_texts_will_do(make_client, scripted):
    """Read once."""
    server = scripted(ranking())
    assert len(make_client(base_url=server.url).rerank("q", (text for text in ["a", "b"]))) == 2
