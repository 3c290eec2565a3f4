"""What real clients send and a strict reader would refuse or change: each is read as it was meant, or told."""

import json

import pytest
from support.contract import check_envelope

JSON = {"content-type": "application/json"}
GOOD = {"query": "alpha", "documents": ["beta", "alpha"]}


def post_raw(client, body, path="/rerank"):
    return client.post(path, content=iter([body.encode() if isinstance(body, str) else body]), headers=JSON)


def test_a_byte_order_mark_is_no_part_of_the_body(client):
    """Windows writes one before every UTF-8 file."""
    response = post_raw(client, b"\xef\xbb\xbf" + json.dumps(GOOD).encode())
    assert response.json()["results"][0]["index"] == 1


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"alpha \ud800", "alpha \ufffd"),
        (r"alpha \udc00", "alpha \ufffd"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\ude00\ud83d\uDE00\ude00", "\ufffd\U0001f600\ufffd"),
        (r"\\ud800 \ud800", "\\ud800 \ufffd"),
        (r"\\\ud800x", "\\\ufffdx"),
    ],
)
def test_a_lone_surrogate_is_replaced_and_told(client, written, read):
    """In documents, metadata and keys alike; whole pairs and escaped backslashes stay."""
    body = '{"query": "alpha", "documents": [{"content": "%s", "metadata": {"%s": "%s"}}]}'
    answer = post_raw(client, body % (written, written, written)).json()
    (result,) = answer["results"]
    assert result["content"] == read
    assert result["metadata"] == {read: read}
    (warning,) = answer["warnings"]
    assert warning.endswith("lone surrogates in the body are no characters and were read as U+FFFD")
    assert int(warning.split()[0]) == 3 * read.count("\ufffd")


def test_a_lone_surrogate_may_stand_in_a_query(client):
    """And in every request of a batch, each of which tells it."""
    answer = post_raw(client, r'{"query": "al\udfffpha", "documents": ["b"]}').json()
    assert answer["query"] == "al\ufffdpha"
    batch = post_raw(client, r'[{"query": "a\ud800", "documents": ["b"]}]', "/rerank/batch").json()
    assert batch[0]["query"] == "a\ufffd"
    assert "U+FFFD" in batch[0]["warnings"][0]


@pytest.mark.parametrize("escaped", [r"\ud83d\ude00", r"\uD83D\uDE00", r"\\ud800", "\U0001f600"])
def test_whole_characters_are_no_surrogates(client, escaped):
    """They pass without a warning."""
    assert post_raw(client, f'{{"query": "q", "documents": ["{escaped}"]}}').json()["warnings"] == []


INTEGERS = [0, -1, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, 2**64, -(2**63) - 1, 10**30, -(10**100)]


def test_integers_come_back_as_they_were_sent(client):
    """However long: an identifier that lost its last digits is another's."""
    sent = {"id": INTEGERS[-1], "list": INTEGERS, "text": str(10**30), "float": 1.5, "in": [{"deep": 2**70}]}
    documents = [{"content": "alpha", "metadata": sent}, {"content": "beta", "metadata": sent}]
    body = json.dumps({"query": "alpha", "documents": documents})
    for result in json.loads(post_raw(client, body).content)["results"]:
        assert result["metadata"] == sent


def test_wide_integers_are_read_as_text_where_they_are_ranked(client):
    """`rank_fields` names one, and Mixedbread gives it back."""
    body = {
        "query": str(10**30),
        "input": [{"id": 10**29}, {"id": 10**30}],
        "rank_fields": ["id"],
        "return_input": True,
    }
    answer = json.loads(post_raw(client, json.dumps(body), "/v1/reranking").content)
    assert [item["input"]["id"] for item in answer["data"]] == [10**30, 10**29]


def test_a_wide_integer_is_no_number_of_results(client):
    """It is refused as any that is too large."""
    response = client.rerank("alpha", [{"content": "a"}], top_k=10**30)
    assert response.status_code == 400
    assert check_envelope(response)["message"].startswith("top_k: ")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"text": None}, "documents[1].text: must be a text, not null"),
        ({"content": None}, "documents[1].content: must be a text, not null"),
        ({}, "documents[1].content: is required"),
        ({"body": "a"}, "documents[1].content: is required"),
    ],
)
def test_a_document_without_a_text_is_told_under_the_name_that_was_sent(client, document, message):
    """`text` is not `content`."""
    response = client.rerank("alpha", ["a", document])
    assert response.status_code == 400
    assert check_envelope(response)["message"] == message


NAMES = [
    "copy",
    "json",
    "dict",
    "schema",
    "model_dump",
    "model_config",
    "model_fields",
    "__dict__",
    "__class__",
    "sent",
]
NAMES += ["__pydantic_extra__", "__pydantic_fields_set__", "model_extra", "construct", "self", "", "метка"]


@pytest.mark.parametrize("name", NAMES)
def test_a_field_may_have_any_name(client, name):
    """Names are data: none reads something else, in `rank_fields`, in metadata or on the way back."""
    documents = [{name: "beta", "metadata": {name: 1}}, {name: "alpha", "metadata": {name: 2}}]
    answer = client.rerank("alpha", documents, rank_fields=[name]).json()
    assert [(result["content"], result["metadata"]) for result in answer["results"]] == [
        ("alpha", {name: 2}),
        ("beta", {name: 1}),
    ]
    body = {"query": "alpha", "input": documents, "rank_fields": [name], "return_input": True}
    data = client.post("/v1/reranking", json=body).json()["data"]
    assert [item["input"] for item in data] == documents[::-1]
    missing = client.rerank("alpha", [{"content": "alpha"}], rank_fields=[name])
    assert missing.status_code == 400
    assert missing.json()["message"] == "documents[0]: has none of the rank_fields"
    assert client.rerank("alpha", **{name: 1} if name not in ("self", "") else {}).status_code == 200


def test_a_field_that_is_named_twice_is_read_once(client):
    """Else a body could be made into any number of times its size."""
    (result,) = client.rerank("alpha", [{"a": "x", "b": "y"}], rank_fields=["a", "b", "a"]).json()["results"]
    assert result["content"] == "x\ny"


def test_the_number_of_rank_fields_is_limited(client):
    """Each is looked up in every document."""
    document = {f"f{number}": "x" for number in range(64)}
    assert client.rerank("alpha", [document], rank_fields=list(document)).status_code == 200
    over = client.rerank("alpha", [document], rank_fields=[*document, "one more"])
    assert over.status_code == 400
    assert over.json()["message"].startswith("rank_fields: ")


BATCH = [{**GOOD, "top_k": 1}, {"query": "beta", "documents": GOOD["documents"]}]


def test_a_batch_may_be_a_bare_list(client):
    """Its answer is a list too, of what the same requests in an object are answered with."""
    answers = client.post("/rerank/batch", json=BATCH).json()
    named = client.post("/rerank/batch", json={"requests": BATCH}).json()["responses"]
    assert [answer["results"] for answer in answers] == [answer["results"] for answer in named]
    assert [len(answer["results"]) for answer in answers] == [1, 2]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ([], 400, "requests: must hold at least 1 item"),
        ([GOOD, 3], 400, "requests[1]: must be an object"),
        ([GOOD, {"query": "alpha"}], 400, "requests[1].documents: is required"),
        ([GOOD] * 65, 413, "requests: 65 requests, more than the limit of 64"),
        ([{"query": "q", "documents": [1] * 1001}], 413, "requests[0].documents: 1001 documents"),
    ],
)
def test_a_list_has_the_errors_of_a_batch(client, body, status, message):
    """The place in the list is named."""
    response = client.post("/rerank/batch", json=body)
    assert response.status_code == status
    assert check_envelope(response)["message"].startswith(message)


def test_only_a_batch_may_be_a_list(client):
    """Elsewhere it is told what is expected."""
    assert client.post("/v1/rerank", json=[GOOD]).json()["message"] == "the body must be a JSON object"


LOOKALIKES = [
    ("topk", "top_k"),
    ("top-n", "top_n"),
    ("topN", "top_n"),
    ("return_document", "return_documents"),
    ("returnDocuments", "return_documents"),
    ("docs", "documents"),
    ("max_tokens_per_document", "max_tokens_per_doc"),
    ("score_treshold", "score_threshold"),
]


@pytest.mark.parametrize(("name", "field"), LOOKALIKES)
def test_a_field_that_looks_like_a_known_one_is_told(client, name, field):
    """In the body's warnings and in a header; the caller's own word is not repeated."""
    response = client.rerank(**{name: 1})
    told = f"an unknown field looks like {field} and was ignored"
    assert response.json()["warnings"] == [told]
    assert response.headers["x-warnings"] == told


OF_OTHER_APIS = """return_len kwargs priority user request_id cache_salt normalize
    rewrite_query input_type max_tokens_per_query metadata tenant trace tags stream"""
FOREIGN = dict.fromkeys([*OF_OTHER_APIS.split(), "x" * 5000], 1)


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank", "/infinity/rerank"])
def test_fields_of_other_apis_are_no_mistakes(client, path):
    """What published clients send is ignored without noise."""
    response = client.post(path, json={**GOOD, **FOREIGN})
    assert response.status_code == 200
    assert "x-warnings" not in response.headers


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v2/rerank", {**GOOD, "topN": 1}, "top_n"),
        ("/v1/rerank", {**GOOD, "truncation": True, "topK": 1}, "top_k"),
        ("/infinity/rerank", {**GOOD, "raw_score": True}, "raw_scores"),
        ("/rerank", {"query": "a", "texts": ["b"], "return_texts": True}, "return_text"),
        ("/v1/ranking", {"query": {"text": "a"}, "passages": [{"text": "b"}], "trunctate": "END"}, "truncate"),
        ("/v1/reranking", {"query": "a", "input": ["b"], "return-input": True}, "return_input"),
        ("/score", {"text_1": "a", "text_2": "b", "use_activations": False}, "use_activation"),
    ],
)
def test_every_dialect_tells_it_in_a_header(client, path, body, field):
    """Most have no place for it in their bodies."""
    response = client.post(path, json=body)
    assert response.status_code == 200
    assert response.headers["x-warnings"] == f"an unknown field looks like {field} and was ignored"
