"""Each dialect answers in its own shape: every field by name, best first, options as the original has them."""

import pytest

QUERY = "alpha beta"
TEXTS = ["gamma", "alpha", "alpha beta"]
BEST_FIRST = [2, 1, 0]
PROBABILITIES = pytest.approx([0.9933, 0.5, 0.0067], abs=1e-4)
LOGITS = pytest.approx([5.0, 0.0, -5.0], abs=0.01)


def ask(client, path, **body):
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def indices(ranked):
    return [item["index"] for item in ranked]


def scores(ranked, name="relevance_score"):
    return [item[name] for item in ranked]


@pytest.mark.parametrize("path", ["/v1/rerank", "/api/rerank", "/reranking", "/v1/reranking"])
def test_superset(client, path):
    """Cohere v1, Jina, vLLM, Xinference, llama.cpp: their fields together; the document unless it is not wanted."""
    answer = ask(client, path, model="m", query=QUERY, documents=TEXTS)
    assert indices(answer["results"]) == BEST_FIRST
    assert scores(answer["results"]) == PROBABILITIES
    assert [item["document"]["text"] for item in answer["results"]] == [TEXTS[i] for i in BEST_FIRST]
    assert "content" not in answer["results"][0]
    assert answer["object"] == "rerank"
    assert answer["model"] == "fake"
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] == 13
    assert answer["meta"]["billed_units"]["search_units"] == 1
    assert answer["meta"]["tokens"] == {"input_tokens": 13, "output_tokens": 0}
    assert answer["usage"]["completion_tokens"] == 0
    assert "document" not in ask(client, path, query=QUERY, documents=TEXTS, return_documents=False)["results"][0]
    with_documents = ask(client, path, query=QUERY, documents=TEXTS, top_n=1, return_documents=True)
    assert [item["document"] for item in with_documents["results"]] == [{"text": "alpha beta"}]


@pytest.mark.parametrize("path", ["/v1/rerank", "/api/rerank", "/reranking", "/v1/reranking"])
def test_the_superset_has_what_voyages_clients_read(client, path):
    """Without `top_k` and `truncation` their requests look like anybody's, so the answer has both lists."""
    answer = ask(client, path, model="m", query=QUERY, documents=TEXTS)
    expected = [{key: item[key] for key in ("index", "relevance_score")} for item in answer["results"]]
    assert answer["data"] == expected
    echoed = ask(client, path, query=QUERY, documents=TEXTS, top_n=1, return_documents=True)
    assert echoed["data"][0]["document"] == "alpha beta"
    assert len(echoed["data"]) == 1


def test_cohere_v2(client):
    """Id, results and meta; documents come back only when asked for."""
    echoed = ask(client, "/v2/rerank", query=QUERY, documents=TEXTS, return_documents=True)
    assert [item["document"] for item in echoed["results"]] == [{"text": TEXTS[i]} for i in BEST_FIRST]
    answer = ask(client, "/v2/rerank", model="m", query=QUERY, documents=TEXTS, top_n=2, return_documents=None)
    assert set(answer) == {"id", "results", "meta"}
    assert [set(item) for item in answer["results"]] == [{"index", "relevance_score"}] * 2
    assert indices(answer["results"]) == BEST_FIRST[:2]
    assert answer["meta"]["api_version"] == {"version": "2"}
    many = ask(client, "/v2/rerank", query=QUERY, documents=["alpha"] * 101)
    assert many["meta"]["billed_units"] == {"search_units": 2}


def test_tei(client):
    """A bare list; probabilities, or logits on request; texts on request; `top_n` beside `texts` is ours."""
    plain = ask(client, "/rerank", query=QUERY, texts=TEXTS)
    assert [set(item) for item in plain] == [{"index", "score"}] * 3
    assert indices(plain) == BEST_FIRST
    assert scores(plain, "score") == PROBABILITIES
    raw = ask(client, "/rerank", query=QUERY, texts=TEXTS, raw_scores=True, return_text=True, truncate=True)
    assert scores(raw, "score") == LOGITS
    assert [item["text"] for item in raw] == [TEXTS[i] for i in BEST_FIRST]
    assert indices(ask(client, "/rerank", query=QUERY, texts=TEXTS, top_n=1)) == BEST_FIRST[:1]


def test_tei_headers(client):
    """Times in whole milliseconds and sizes, as TEI's clients read them."""
    answer = client.post("/rerank", json={"query": QUERY, "texts": TEXTS})
    assert answer.headers["x-compute-type"] == "cpu"
    assert answer.headers["x-compute-tokens"] == "13"
    assert int(answer.headers["x-compute-characters"]) == len(QUERY) + sum(map(len, TEXTS))
    for name in ("compute-time", "total-time", "tokenization-time", "queue-time", "inference-time"):
        assert int(answer.headers[f"x-{name}"]) >= 0


@pytest.mark.parametrize("extra", [{"top_k": None}, {"truncation": True}, {"top_k": 3}])
def test_voyage(client, extra):
    """Known by `top_k` or `truncation`, even null; a list under `data`, and the tokens."""
    answer = ask(client, "/v1/rerank", model="m", query=QUERY, documents=TEXTS, **extra)
    assert set(answer) == {"object", "data", "model", "usage"}
    assert answer["object"] == "list"
    assert indices(answer["data"]) == BEST_FIRST
    assert scores(answer["data"]) == PROBABILITIES
    assert answer["usage"] == {"total_tokens": 13}
    echoed = ask(client, "/v1/rerank", query=QUERY, documents=TEXTS, return_documents=True, **extra)
    assert [item["document"] for item in echoed["data"]] == [TEXTS[i] for i in BEST_FIRST]


@pytest.mark.parametrize("path", ["/voyage/rerank", "/voyage/v1/rerank"])
def test_a_prefix_decides(client, path):
    """Under `/voyage` the answer is Voyage's, whatever else the body could be; so under `/infinity`."""
    answer = ask(client, path, query=QUERY, documents=TEXTS, top_n=1)
    assert set(answer) == {"object", "data", "model", "usage"}
    assert client.post(path, json={"query": QUERY, "texts": TEXTS}).json()["message"] == "documents: is required"
    assert "results" in ask(client, path.replace("voyage", "infinity"), query=QUERY, documents=TEXTS, truncation=True)


def test_top_k_alone_is_native_on_the_bare_path(client):
    """Our own API had it first; with `truncation` it is Voyage's."""
    assert "results" in ask(client, "/rerank", query=QUERY, documents=TEXTS, top_k=1)
    assert "data" in ask(client, "/rerank", query=QUERY, documents=TEXTS, top_k=1, truncation=True)


@pytest.mark.parametrize("path", ["/v1/ranking", "/v1/retrieval/nvidia/llama-rerank/reranking", "/rerank"])
def test_nim(client, path):
    """Raw logits under `rankings`; `top_n` beside `passages` is ignored."""
    passages = [{"text": text} for text in TEXTS]
    answer = ask(client, path, model="m", query={"text": QUERY}, passages=passages, top_n=1)
    assert set(answer) == {"rankings", "usage"}
    best = ask(client, path, query={"text": QUERY}, passages=passages, top_k=1)
    assert indices(best["rankings"]) == BEST_FIRST[:1]
    assert indices(answer["rankings"]) == BEST_FIRST
    assert scores(answer["rankings"], "logit") == LOGITS


def test_mixedbread(client):
    """`data` with an object type of its own; inputs on request; `top_k` and `return_input` come back."""
    answer = ask(client, "/v1/reranking", model="m", query=QUERY, input=TEXTS, top_k=2, return_input=True)
    assert indices(answer["data"]) == BEST_FIRST[:2]
    assert [item["input"] for item in answer["data"]] == ["alpha beta", "alpha"]
    assert {item["object"] for item in answer["data"]} == {"rank_result"}
    assert (answer["top_k"], answer["return_input"], answer["object"]) == (2, True, "list")
    assert "input" not in ask(client, "/v1/reranking", query=QUERY, input=TEXTS)["data"][0]


def test_mixedbread_ranks_by_fields(client):
    """Objects are read by `rank_fields`, in that order."""
    documents = [{"title": "gamma", "body": "delta"}, {"title": "alpha", "body": "beta"}]
    answer = ask(client, "/v1/reranking", query=QUERY, input=documents, rank_fields=["title", "body"])
    assert indices(answer["data"]) == [1, 0]


def test_infinity(client):
    """The document is a bare text; logits on request."""
    answer = ask(client, "/infinity/rerank", query=QUERY, documents=TEXTS, return_documents=True, top_n=1)
    assert [item["document"] for item in answer["results"]] == ["alpha beta"]
    assert answer["object"] == "rerank"
    assert answer["usage"] == {"prompt_tokens": 13, "completion_tokens": 0, "total_tokens": 13}
    assert answer["id"].startswith("infinity-")
    raw = ask(client, "/infinity/rerank", query=QUERY, documents=TEXTS, raw_scores=True)
    assert scores(raw["results"]) == LOGITS


@pytest.mark.parametrize("path", ["/score", "/v1/score"])
@pytest.mark.parametrize(
    ("queries", "documents"),
    [("queries", "documents"), ("text_1", "text_2"), ("data_1", "data_2"), ("queries", "items")],
)
def test_vllm_score(client, path, queries, documents):
    """One query with many texts, or as many as there are; scores in the order of the pairs."""
    answer = ask(client, path, **{queries: QUERY, documents: TEXTS})
    assert [(item["index"], item["object"]) for item in answer["data"]] == [(i, "score") for i in range(3)]
    assert scores(answer["data"], "score") == pytest.approx([0.0067, 0.5, 0.9933], abs=1e-4)
    pairwise = ask(client, path, **{queries: ["gamma", "alpha"], documents: ["gamma", "beta"]}, use_activation=False)
    assert scores(pairwise["data"], "score") == pytest.approx([5.0, -5.0], abs=0.01)
    uneven = client.post(path, json={queries: ["a", "b"], documents: TEXTS})
    assert uneven.status_code == 400
    assert "3 for 2 queries" in uneven.json()["message"]


@pytest.mark.parametrize(
    "body",
    [
        {
            "top_n": None,
            "max_tokens_per_doc": None,
            "max_chunks_per_doc": None,
            "return_documents": None,
            "model": None,
        },
        {"return_documents": "true", "return_len": None, "kwargs": "{}", "priority": 0, "user": "u"},
        {"top_n": 0, "instruction": "i", "request_id": "r", "overlap_tokens": 80},
        {"max_chunks_per_doc": 1024, "overlap_tokens": 80, "return_documents": True},
        {"documents": [{"text": text, "id": 1} for text in TEXTS]},
    ],
    ids=["nulls", "words for booleans", "vLLM's defaults", "SiliconFlow's defaults", "objects"],
)
def test_what_published_clients_send_is_taken(client, body):
    """Nulls, booleans in words, unknown keys, zero for all, objects for texts."""
    answer = ask(client, "/v1/rerank", **{"query": QUERY, "documents": TEXTS, **body})
    assert indices(answer["results"]) == BEST_FIRST


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/rerank", {"query": "a", "texts": []}, "texts: must hold at least 1 item"),
        ("/rerank", {"query": " ", "texts": ["a"]}, "query: must not be blank"),
        ("/v1/ranking", {"query": {"text": "a"}}, "passages: is required"),
        ("/v1/ranking", {"query": {"text": ""}, "passages": [{"text": "a"}]}, "query.text: must not be blank"),
        ("/v1/ranking", {"query": "a", "passages": [{"text": "a"}]}, "query: must be an object"),
        ("/v1/reranking", {"query": "a"}, "input: is required"),
        ("/v1/reranking", {"query": "a", "input": ["b", 3]}, "input[1]: must be a text or an object"),
        ("/v2/rerank", {"query": "a", "documents": [{"title": "b"}]}, "documents[0].content: is required"),
        ("/infinity/rerank", {"documents": ["b"]}, "query: is required"),
        ("/v1/rerank", {"query": "a", "documents": ["b"], "top_k": -1}, "top_k: must be greater than or equal to 1"),
        ("/score", {"text_2": ["b"]}, "queries: is required"),
    ],
)
def test_errors_name_the_field_as_the_dialect_writes_it(client, path, body, message):
    """In the flat body that all of their clients can read."""
    answer = client.post(path, json=body)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(message), answer.json()["message"]


def test_failures_name_the_document_as_the_dialect_writes_it(client):
    """A text that the model could not score is `texts[1]` to TEI's callers."""
    answer = client.post("/rerank", json={"query": "alpha", "texts": ["alpha", "[[nan]]"]})
    assert answer.status_code == 500
    assert answer.json()["message"].startswith("texts[1]: ")
