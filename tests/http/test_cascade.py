"""A first stage prunes what the model reads: by another model, by the model's own word embeddings, or not at all."""

import pytest
from support.contract import ContractClient
from support.metrics import settled_scrape
from support.three_models import three_models

from bentorank.evaluation.built_in import built_in_task

BEYOND = "filler " * 20 + "alpha"
# Both find 1 and 4, `big` also 2.
DOCUMENTS = ["none", "alpha", BEYOND, "other", "beta alpha", "more"]
OTHER_APIS = {
    "/v1/rerank": ({}, "documents", "results"),
    "/v2/rerank": ({}, "documents", "results"),
    "/voyage/rerank": ({}, "documents", "data"),
    "/infinity/rerank": ({}, "documents", "results"),
    "/v1/reranking": ({}, "input", "data"),
    "/v1/ranking": ({"query": {"text": "alpha"}, "truncate": "END"}, "passages", "rankings"),
    "/rerank": ({}, "texts", None),
}

NOT_SERVED = "first_stage: not served here; there are small, pruning"
NOTHING_TO_KEEP_OF = "keep: there is no first stage to keep documents of"
REFUSED = [
    ({"first_stage": "huge"}, NOT_SERVED),
    ({"first_stage": "large"}, NOT_SERVED),
    ({"first_stage": "embeddings"}, NOT_SERVED),
    ({"first_stage": ""}, "first_stage: "),
    ({"first_stage": 5}, "first_stage: "),
    ({"first_stage": "x" * 201}, "first_stage: "),
    ({"first_stage": "small", "keep": 0}, "keep: "),
    ({"first_stage": "small", "keep": 1.5}, "keep: "),
    ({"keep": 10}, NOTHING_TO_KEEP_OF),
    ({"first_stage": "none", "keep": 10}, NOTHING_TO_KEEP_OF),
]


@pytest.fixture(scope="module")
def cascade_service(fleet, tmp_path_factory):
    """A server with three fake models: one that reads all, one that reads little, and one that the latter prunes."""
    models = three_models(tmp_path_factory.mktemp("cascade"))
    return fleet("cascade", engine="fake", models=models, cache=False, access_log=True)


@pytest.fixture
def cascade_client(cascade_service):
    with ContractClient(cascade_service.url) as client:
        yield client


def pruned(answer):
    return [result["index"] for result in answer["results"] if result.get("pruned")]


def test_pruned_documents_stand_last_and_have_no_score(cascade_client):
    """Those that are kept have the scores that they have without it; the rest is in the first stage's order."""
    whole, by_small = (cascade_client.rerank("alpha", DOCUMENTS, model=model).json() for model in ("big", "small"))
    answer = cascade_client.rerank("alpha", DOCUMENTS, first_stage="small", keep=3).json()
    scores = {result["index"]: result["score"] for result in whole["results"]}
    kept, rest = answer["results"][:3], answer["results"][3:]
    sifted = [result["index"] for result in by_small["results"]]
    assert sorted(result["index"] for result in kept) == sorted(sifted[:3])
    assert [result["score"] for result in kept] == sorted((scores[index] for index in sifted[:3]), reverse=True)
    assert [result["index"] for result in rest] == sifted[3:]
    assert 2 in sifted[3:], "what the model alone would have found is lost"
    marks = (None, None, "pruned", True)
    assert all((r["score"], r["relevance_score"], r["unscored"], r["pruned"]) == marks for r in rest)
    assert pruned(whole) == []
    assert answer["warnings"] == [], "it was asked for"


def test_usage_and_timings_say_what_each_stage_read(cascade_service, cascade_client):
    """The first stage's tokens are counted apart, and in the total too, since a model read them; metrics agree."""
    before = settled_scrape(cascade_service.url)
    response = cascade_client.rerank("alpha", ["alpha", "beta", "gamma delta"], first_stage="small", keep=1)
    answer = response.json()
    # A query of a word, a separator, and the document's words.
    assert answer["usage"]["first_stage"] == {"name": "small", "pairs": 3, "tokens": 10, "pruned_documents": 2}
    assert answer["usage"]["total_tokens"] == 10 + 3
    assert answer["usage"]["pairs"] == 1
    timings = answer["timings_ms"]
    assert 0 < timings["first_stage"] < timings["total"]
    assert response.headers["x-pruned-documents"] == "2"
    after = settled_scrape(cascade_service.url)
    counted = "rerank_pruned_documents_total"
    assert after(counted, model="big") - before(counted, model="big") == 2
    phase = {"model": "big", "phase": "first_stage"}
    count = "rerank_phase_duration_seconds_count"
    assert after(count, **phase) - before(count, **phase) == 1
    tokens = "rerank_tokens_total"
    assert after(tokens, model="small") - before(tokens, model="small") == 10
    assert after(tokens, model="big") - before(tokens, model="big") == 3


def test_a_setting_prunes_unless_a_request_says_otherwise(cascade_client):
    """And who has not asked for it is told."""
    answer = cascade_client.rerank("alpha", DOCUMENTS, model="pruning").json()
    assert sorted(pruned(answer)) == [0, 2, 3, 5]
    assert answer["warnings"] == ["4 of 6 documents were pruned by a first stage and have no score"]
    assert len(pruned(cascade_client.rerank("alpha", DOCUMENTS, model="pruning", keep=5).json())) == 1
    assert pruned(cascade_client.rerank("alpha", DOCUMENTS, model="pruning", first_stage="none").json()) == []
    assert pruned(cascade_client.rerank("alpha", DOCUMENTS, model="small").json()) == []


def test_as_many_are_kept_as_are_wanted(cascade_client):
    """So what is returned has scores; and where no more are sent than are kept, no first stage reads them."""
    answer = cascade_client.rerank("alpha", DOCUMENTS, first_stage="small", keep=1, top_k=4).json()
    assert [result["score"] is None for result in answer["results"]] == [False] * 4
    few = cascade_client.rerank("alpha", DOCUMENTS, first_stage="small", keep=6).json()
    assert "first_stage" not in few["usage"]
    assert "first_stage" not in few["timings_ms"]


def test_a_threshold_lets_no_pruned_document_pass(cascade_client):
    """Nothing is known of it."""
    answer = cascade_client.rerank("alpha", DOCUMENTS, first_stage="small", keep=1, score_threshold=0.0).json()
    (result,) = answer["results"]
    assert result["index"] in (1, 4)


def test_empty_documents_take_no_place(cascade_client):
    """They are read by neither stage, and stand where they always do."""
    answer = cascade_client.rerank("alpha", ["", "beta", "alpha", " "], first_stage="small", keep=1).json()
    assert [(r["index"], r.get("pruned", False)) for r in answer["results"]] == [
        (2, False),
        (0, False),
        (3, False),
        (1, True),
    ]
    assert answer["usage"]["first_stage"]["pairs"] == 2


@pytest.mark.parametrize("path", OTHER_APIS)
def test_other_apis_leave_pruned_documents_out(cascade_client, path):
    """A score is a number there; the header counts what is missing."""
    own, field, results = OTHER_APIS[path]
    documents = [{"text": text} for text in DOCUMENTS] if field == "passages" else DOCUMENTS
    body = {"query": "alpha", field: documents, "model": "pruning"} | own
    response = cascade_client.post(path, json=body)
    assert response.status_code == 200
    if path == "/rerank":  # TEI names no model
        body |= {"first_stage": "small", "keep": 2}
        response = cascade_client.post(path, json=body)
    answer = response.json() if results is None else response.json()[results]
    assert sorted(result["index"] for result in answer) == [1, 4]
    assert response.headers["x-pruned-documents"] == "4"
    fewer = cascade_client.post(path, json=body | {"first_stage": "small", "keep": 3, "model": "big"})
    answer = fewer.json() if results is None else fewer.json()[results]
    scored = [result for result in answer if not result.get("pruned")]
    assert len(scored) == 3
    assert {result["index"] for result in scored} > {1, 4}
    # Cohere's and Jina's path reads our fields as ours: who sends one there is told of all documents.
    assert len(answer) == (6 if path == "/v1/rerank" else 3)


def test_each_request_of_a_batch_has_its_own(cascade_client):
    """And a mistake is named by its place."""
    asking = {"query": "alpha", "documents": DOCUMENTS, "first_stage": "large", "keep": 1, "model": "small"}
    answers = cascade_client.post("/rerank/batch", json=[asking, {"query": "alpha", "documents": DOCUMENTS}]).json()
    assert [len(pruned(answer)) for answer in answers] == [5, 0]
    refused = cascade_client.post("/rerank/batch", json=[asking, asking | {"first_stage": "huge"}])
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("requests[1]: first_stage: not served here; there are ")


def test_what_cannot_be_is_refused_by_name(cascade_service, cascade_client):
    """With 400, before any model reads."""
    before = settled_scrape(cascade_service.url)
    for fields, message in REFUSED:
        response = cascade_client.rerank("alpha", DOCUMENTS, **fields)
        assert response.status_code == 400
        assert response.json()["message"].startswith(message)
        is_missing = message.startswith((NOT_SERVED, NOTHING_TO_KEEP_OF))
        assert response.json()["code"] == ("no_first_stage" if is_missing else "invalid_request")
    after = settled_scrape(cascade_service.url)
    for model in ("big", "small"):
        assert after("rerank_tokens_total", model=model) == before("rerank_tokens_total", model=model)


def test_what_the_first_stage_cannot_score_is_kept(cascade_client):
    """Nothing is known against it; the model fails on it too, and says so, or skips it where it may."""
    documents = ["alpha", "beta", "gamma [[nan]]", "delta"]
    asked = {"first_stage": "small", "keep": 2}
    refused = cascade_client.rerank("alpha", documents, **asked)
    assert refused.status_code == 500
    assert refused.json()["message"].startswith("documents[2]: ")
    answer = cascade_client.rerank("alpha", documents, on_item_error="skip", **asked).json()
    assert [(r["index"], r.get("unscored")) for r in answer["results"]] == [
        (0, None),
        (2, "non_finite_score"),
        (1, "pruned"),
        (3, "pruned"),
    ]


def test_a_refused_document_is_named_by_its_own_place(cascade_client):
    """Not by that among those that were kept."""
    documents = ["none", "none", "alpha " * 600]
    refused = cascade_client.rerank("alpha", documents, first_stage="small", keep=1, overflow="error")
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("documents[2]")


def test_a_partial_answer_without_time_is_what_was_sent(cascade_client):
    """Nothing is pruned in haste."""
    answer = cascade_client.rerank(
        "alpha", DOCUMENTS, first_stage="small", keep=2, deadline_ms=0.001, on_deadline="partial"
    ).json()
    assert [result["index"] for result in answer["results"]] == list(range(6))
    assert {result["unscored"] for result in answer["results"]} == {"deadline_exceeded"}


def test_what_there_is_is_told(cascade_client):
    """By /info: of each model its first stages, and what it prunes by unless asked."""
    told = {model["name"]: model for model in cascade_client.get("/info").json()["models"]}
    assert told["big"]["first_stages"] == ["small", "pruning"]
    assert (told["big"]["first_stage"], told["big"]["keep"]) == ("none", 50)
    assert (told["pruning"]["first_stage"], told["pruning"]["keep"]) == ("small", 2)


def test_word_embeddings_find_what_the_model_would_put_first(starter_client):
    """Of 30 passages of three questions the model reads 12, and its best five are the same but for one at most."""
    lists = built_in_task().lists[:3]
    documents = [passage for candidates in lists for passage in candidates.passages]
    query = lists[0].query
    whole = starter_client.rerank(query, documents, top_k=5).json()
    answer = starter_client.rerank(query, documents, first_stage="embeddings", keep=12).json()
    best, found = ({result["index"] for result in body["results"][:5]} for body in (whole, answer))
    assert len(best & found) >= 4
    assert len(pruned(answer)) == 18
    usage = answer["usage"]
    first_stage = usage["first_stage"]
    assert (first_stage["name"], first_stage["pairs"], usage["pairs"]) == ("embeddings", 30, 12)
    assert first_stage["tokens"] > usage["total_tokens"], "whose words no model has read"
