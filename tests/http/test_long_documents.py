"""Documents and queries longer than the model's window: cut, split or refused as asked, and never in silence."""

import pytest
from support.contract import check_envelope
from support.metrics import Scrape

FILLER = " ".join(["filler"] * 600)
# The word that the query asks for lies past the window of 512 tokens.
LATE = f"{FILLER} alpha"


def results(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def test_truncated_by_default(client):
    """What lies past the window does not count; result, usage, warnings and headers all say so."""
    answer = client.rerank("alpha", [LATE, "alpha"])
    assert [(item["index"], item["truncated"]) for item in results(answer)] == [(1, False), (0, True)]
    assert "span" not in results(answer)[1]
    assert answer.json()["usage"]["truncated_documents"] == 1
    assert answer.json()["warnings"] == ["1 of 2 documents were longer than was to be read and were cut"]
    assert answer.headers["x-truncated-documents"] == "1"


def test_dialects_without_a_field_for_it_say_so_in_a_header(client):
    """TEI's and NIM's bodies cannot; Cohere's can."""
    tei = client.post("/rerank", json={"query": "alpha", "texts": [LATE, "alpha"], "truncate": True})
    nim = client.post("/v1/ranking", json={"query": {"text": "alpha"}, "passages": [{"text": LATE}], "truncate": "END"})
    cohere = client.post("/v2/rerank", json={"query": "alpha", "documents": [LATE]})
    for answer in (tei, nim, cohere):
        assert answer.headers["x-truncated-documents"] == "1"
    assert "1 of 1 documents" in cohere.json()["meta"]["warnings"][0]


def test_split_on_request(client):
    """The best chunk counts, wherever it lies, and its place comes back; nothing is cut."""
    answer = client.rerank("alpha", [LATE, "beta"], overflow="chunk")
    best, other = results(answer)
    assert (best["index"], best["truncated"]) == (0, False)
    assert "alpha" in LATE[best["span"]["start"] : best["span"]["end"]]
    assert best["span"]["end"] == len(LATE)
    assert other["span"] == {"start": 0, "end": 4}
    assert answer.json()["usage"]["pairs"] == 3
    assert answer.json()["usage"]["truncated_documents"] == 0
    assert answer.json()["warnings"] == []


def test_spans_count_code_points(client):
    """As Python and the JSON text do, not bytes or UTF-16."""
    document = "😀é " * 600 + "alpha"
    (result,) = results(client.rerank("alpha", [document], overflow="chunk"))
    assert document[result["span"]["start"] : result["span"]["end"]].endswith("alpha")


def test_as_many_chunks_as_asked_for(client):
    """`max_chunks_per_doc` alone asks for splitting; what is left unread counts as cut."""
    (all_read,) = results(client.rerank("alpha", [LATE], max_chunks_per_doc=2))
    assert not all_read["truncated"]
    answer = client.rerank("alpha", [LATE], max_chunks_per_doc=1)
    (cut,) = results(answer)
    assert cut["truncated"]
    assert cut["span"]["end"] < len(LATE)
    assert answer.json()["usage"]["truncated_documents"] == 1


def test_chunks_overlap(client):
    """A phrase on a border is whole in one of the chunks: the more overlap, the more pairs."""
    pairs = [
        client.rerank("alpha", [LATE * 3], overflow="chunk", overlap_tokens=overlap).json()["usage"]["pairs"]
        for overlap in (0, 100, 250)
    ]
    assert pairs == sorted(set(pairs))


def test_refused_on_request(client):
    """The error names the document as the dialect writes it, its tokens, and what there is room for."""
    asks = [
        ("/rerank", {"query": "alpha", "documents": ["beta", LATE], "overflow": "error"}, "documents[1]"),
        ("/rerank", {"query": "alpha", "texts": ["beta", LATE], "truncate": False}, "texts[1]"),
        ("/v1/rerank", {"query": "alpha", "documents": ["beta", LATE], "truncation": False}, "documents[1]"),
        ("/v1/ranking", {"query": {"text": "alpha"}, "passages": [{"text": "b"}, {"text": LATE}]}, "passages[1]"),
        ("/score", {"text_1": "alpha", "text_2": ["beta", LATE]}, "documents[1]"),
    ]
    for path, body, field in asks:
        answer = client.post(path, json=body)
        assert answer.status_code == 400, path
        error = check_envelope(answer)
        assert error["message"].startswith(f"{field}: 601 tokens, and beside this query the model reads 510"), error
        assert (error["code"], error["error_type"]) == ("document_too_long", "Tokenizer")


def test_cut_to_what_the_request_wants_to_pay_for(client):
    """`max_tokens_per_doc` bounds every document and is told like any other cut; 0 is no limit."""
    answer = client.rerank("alpha", ["beta gamma alpha", "alpha"], max_tokens_per_doc=2)
    assert {item["index"]: item["truncated"] for item in results(answer)} == {0: True, 1: False}
    assert answer.json()["usage"]["total_tokens"] == (2 + 2) + (2 + 1)
    unbounded = client.rerank("alpha", ["beta gamma alpha", "alpha"], max_tokens_per_doc=0)
    assert unbounded.json()["usage"]["truncated_documents"] == 0


def test_the_other_end_is_cut_on_request(client):
    """TEI's `truncation_direction: Left` keeps the end of the text."""
    body = {"query": "alpha", "texts": [LATE, "beta"], "truncate": True}
    right = client.post("/rerank", json=body).json()
    left = client.post("/rerank", json={**body, "truncation_direction": "Left"}).json()
    assert right[0]["score"] < 0.5 < left[0]["score"]
    assert left[0]["index"] == 0


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank"])
def test_cut_as_vllm_writes_it(client, guarded_client, path):
    """`truncate_prompt_tokens` counts, -1 is what fits, and asks for a cut where the service would split."""
    body = {"query": "alpha", "documents": ["alpha beta gamma delta"]}
    for limit, beside, tokens in [(2, None, 4), (2, 1, 3), (1, 2, 3), (-1, None, 6), (0, None, 6)]:
        answer = client.post(path, json={**body, "truncate_prompt_tokens": limit, "max_tokens_per_doc": beside})
        assert answer.json()["usage"]["total_tokens"] == tokens
    split = guarded_client.post(path, json={"query": "alpha", "documents": ["alpha " * 40]}).json()
    cut = guarded_client.post(
        path, json={"query": "alpha", "documents": ["alpha " * 40], "truncate_prompt_tokens": -1}
    ).json()
    assert (split["usage"]["truncated_documents"], cut["usage"]["truncated_documents"]) == (0, 1)
    refused = client.post(path, json={**body, "truncate_prompt_tokens": -2})
    assert refused.json()["message"].startswith("truncate_prompt_tokens: ")


@pytest.mark.parametrize(("path", "extra"), [("/rerank", {}), ("/v1/rerank", {"truncate_prompt_tokens": -1})])
@pytest.mark.parametrize(("side", "is_found"), [("left", True), ("right", False), (None, False)])
def test_vllms_truncation_side(client, path, extra, side, is_found):
    """From the left the end is kept, as with TEI's `Left`."""
    body = {"query": "alpha", "documents": [LATE], "truncation_side": side, **extra}
    (result,) = results(client.post(path, json=body))
    assert (result["relevance_score"] > 0.5, result["truncated"]) == (is_found, True)
    scored = client.post(
        "/score", json={"text_1": "alpha", "text_2": LATE, "truncate_prompt_tokens": -1, "truncation_side": side}
    )
    assert (scored.json()["data"][0]["score"] > 0.5) == is_found


def test_relevant_spans(client):
    """Cohere's form: the chunks of a document that score at least the threshold, best first, at most so many."""
    document = f"alpha {FILLER} alpha beta {FILLER}"
    body = {"query": "alpha beta", "documents": [document, "gamma"], "relevant_spans": {"mode": "enabled"}}
    first, last = client.post("/v2/rerank", json=body).json()["results"]
    spans = first["relevant_spans"]
    assert [span["score"] for span in spans] == sorted((span["score"] for span in spans), reverse=True)
    assert spans[0]["score"] == first["relevance_score"]
    assert "alpha beta" in document[spans[0]["start"] : spans[0]["end"]]
    assert all(span["score"] >= 0.1 for span in spans)
    assert last["relevant_spans"] == []
    body["relevant_spans"] = {"mode": "enabled", "threshold": 0.0, "max_spans": 2}
    assert len(client.post("/v2/rerank", json=body).json()["results"][0]["relevant_spans"]) == 2
    body["relevant_spans"] = {"mode": "disabled"}
    assert "relevant_spans" not in client.post("/v2/rerank", json=body).json()["results"][0]


def test_a_long_query_is_refused(client):
    """Longer than half the window it would leave no room for the passage."""
    answer = client.rerank(" ".join(["alpha"] * 256), ["alpha"])
    assert answer.status_code == 400
    assert check_envelope(answer)["message"] == "the query has 256 tokens and this model reads at most 255"
    assert client.rerank(" ".join(["alpha"] * 255), ["alpha"]).status_code == 200


def test_a_long_query_is_cut_if_so_set(guarded_client):
    """`BENTORANK_QUERY_OVERFLOW=truncate`: to half the window, with a warning and a header."""
    answer = guarded_client.rerank("alpha " * 17, ["alpha"])
    assert answer.status_code == 200
    assert answer.headers["x-truncated-query"] == "1"
    assert "the query was longer than half" in answer.json()["warnings"][0]
    assert guarded_client.rerank("alpha", ["alpha"]).headers["x-truncated-query"] == "0"


def test_the_service_can_split_by_default(guarded_client):
    """`BENTORANK_OVERFLOW=chunk`; a request may still ask for a cut."""
    document = "filler " * 40 + "alpha"
    (split,) = results(guarded_client.rerank("alpha", [document]))
    assert not split["truncated"]
    assert split["score"] > 0.5
    (cut,) = results(guarded_client.rerank("alpha", [document], overflow="truncate"))
    assert cut["truncated"]


def test_tokens_of_a_request_are_limited(guarded_client):
    """Chunks included: 100 tokens pass, one more is a 413 that says what it came to."""
    at_limit = guarded_client.rerank("alpha", ["beta " * 23] * 4)
    assert at_limit.json()["usage"]["total_tokens"] == 100
    over = guarded_client.rerank("alpha", ["beta " * 23] * 3 + ["beta " * 24])
    assert over.status_code == 413
    assert check_envelope(over)["message"] == "documents: 101 tokens to score, more than the limit of 100"


@pytest.mark.parametrize("overflow", ["truncate", "chunk"])
def test_cuts_are_counted(client, service, overflow):
    """A metric knows how many documents were cut."""
    before = Scrape(service.url)("rerank_truncated_documents_total")
    client.rerank("alpha", [LATE, "alpha", LATE], overflow=overflow)
    after = Scrape(service.url)("rerank_truncated_documents_total")
    assert after - before == (2 if overflow == "truncate" else 0)
