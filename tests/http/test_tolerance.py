"""Every dialect takes what clients that write all their fields send: nulls, words for booleans, objects for texts."""

import pytest

QUERY = "alpha beta"
TEXTS = ["gamma", "alpha", "alpha beta"]
BEST_FIRST = [2, 1, 0]
OBJECTS = [{"text": text} for text in TEXTS]

# By dialect: a path and a body, what it holds its results in, its optional fields, and which of these are booleans.
SUPERSET = ("top_n", "rank_fields", "max_tokens_per_doc", "max_chunks_per_doc", "overlap_tokens", "return_documents")
VLLM = ("truncate_prompt_tokens", "truncation_side", "use_activation", "raw_scores", "user", "instruction", "model")
DOCUMENTS = {"query": QUERY, "documents": TEXTS}
NIM = {"query": {"text": QUERY}, "passages": OBJECTS}
DIALECTS = {
    "native": ("/rerank", DOCUMENTS, "results", (*SUPERSET, *VLLM, "top_k", "score_mode", "deadline_ms", "overflow")),
    "superset": ("/v1/rerank", DOCUMENTS, "results", (*SUPERSET, *VLLM)),
    "api": ("/api/rerank", DOCUMENTS, "results", (*SUPERSET, *VLLM)),
    "cohere_v2": ("/v2/rerank", DOCUMENTS, "results", ("model", *SUPERSET, "relevant_spans", "priority")),
    "voyage": ("/v1/rerank", DOCUMENTS, "data", ("top_k", "truncation", "return_documents", "model")),
    "voyage prefix": ("/voyage/rerank", DOCUMENTS, "data", ("top_k", "truncation", "return_documents", "model")),
    "infinity": ("/infinity/rerank", DOCUMENTS, "results", ("top_n", "return_documents", "raw_scores", "model")),
    "mixedbread": (
        "/v1/reranking",
        {"query": QUERY, "input": TEXTS},
        "data",
        ("top_k", "return_input", "rank_fields", "model", "rewrite_query"),
    ),
    "nim": ("/v1/ranking", NIM, "rankings", ("top_k", "truncate", "model")),
    "tei": (
        "/rerank",
        {"query": QUERY, "texts": TEXTS},
        None,
        ("truncate", "truncation_direction", "raw_scores", "return_text", "top_n"),
    ),
}
BOOLEANS = {"return_documents", "truncation", "raw_scores", "return_input", "return_text", "use_activation"}
every_dialect = pytest.mark.parametrize("name", DIALECTS)


def ranked(client, name, **fields):
    """The indices in the answer of a dialect, best first; its other answers would have no such list."""
    path, body, results, _ = DIALECTS[name]
    answer = client.post(path, json={**body, **fields})
    assert answer.status_code == 200, answer.text
    return [item["index"] for item in (answer.json()[results] if results else answer.json())]


@every_dialect
def test_null_is_absent(client, name):
    """All optional fields together, and each alone."""
    assert ranked(client, name, **dict.fromkeys(DIALECTS[name][3])) == BEST_FIRST
    if name != "voyage":  # which is known by its fields
        for field in DIALECTS[name][3]:
            assert ranked(client, name, **{field: None}) == BEST_FIRST, field


@every_dialect
@pytest.mark.parametrize("word", ["true", "False"])
def test_booleans_may_be_words(client, name, word):
    """Each boolean that the dialect has."""
    words = dict.fromkeys(BOOLEANS.intersection(DIALECTS[name][3]), word)
    if name == "voyage":
        words |= {"top_k": None}
    assert ranked(client, name, **words) == BEST_FIRST


@pytest.mark.parametrize(
    ("name", "limit"),
    [(name, limit) for name in DIALECTS for limit in ("top_n", "top_k") if limit in DIALECTS[name][3]],
)
def test_limits(client, name, limit):
    """More than the documents is all, so is a `top_n` of zero, as vLLM writes it; a `top_k` of zero is a mistake."""
    assert ranked(client, name, **{limit: 1000}) == BEST_FIRST
    assert ranked(client, name, **{limit: 2.0}) == BEST_FIRST[:2]
    assert ranked(client, name, **{limit: 1}) == BEST_FIRST[:1]
    if limit == "top_n":
        assert ranked(client, name, top_n=0) == BEST_FIRST
    else:
        path, body, _, _ = DIALECTS[name]
        refused = client.post(path, json={**body, "top_k": 0})
        assert refused.status_code == 400
        assert refused.json()["message"].startswith("top_k: ")


@pytest.mark.parametrize("name", [name for name in DIALECTS if name != "tei"])
def test_documents_may_be_objects_with_text(client, name):
    """TEI alone knows texts only."""
    field = next(field for field in ("documents", "input", "passages") if field in DIALECTS[name][1])
    extra = {"truncation": True} if name == "voyage" else {}
    assert ranked(client, name, **{field: OBJECTS}, **extra) == BEST_FIRST
    assert ranked(client, name, **{field: [{**item, "id": 1} for item in OBJECTS]}, **extra) == BEST_FIRST
