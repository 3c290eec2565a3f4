"""BentoRanker against a real server with the shipped model, alone and in real pipelines."""

from __future__ import annotations

import asyncio
import copy
import json
import traceback

import pytest
from bentorank_client import RerankError
from haystack import Document, Pipeline, component
from haystack.utils import Secret
from haystack_integrations.components.rankers.bentorank import BentoRanker
from support.callers_span import callers_span
from support.scripted_server import ranking, scoring, status

QUERY = "what do owls eat"
KEY = "yranac"[::-1]  # so that no line of this file, which a traceback shows, holds it


@pytest.fixture
def documents():
    return [
        Document(id="bread", content="Bread needs flour.", meta={"page": 1}, score=0.9),
        Document(id="owls", content="Owls eat mice.", meta={"page": 2, "title": "Owls"}),
        Document(id="ships", content="Ships carry freight."),
    ]


@pytest.fixture(params=["sync", "async"])
def rank(request):
    """run, or run_async in an event loop."""

    async def run_async(ranker, given):
        try:
            return await ranker.run_async(**given)
        finally:
            await ranker.close_async()

    def call(ranker, documents, **options):
        given = {"query": QUERY, "documents": documents} | options
        answer = ranker.run(**given) if request.param == "sync" else asyncio.run(run_async(ranker, given))
        ranker.close()
        return answer["documents"]

    return call


def answered(ranker, documents, **options):
    try:
        return ranker.run(query=options.pop("query", QUERY), documents=documents, **options)
    finally:
        ranker.close()


def test_the_best_come_first_as_copies(rank, documents, starter_service):
    """Id and meta stay, the score is new, and what was given is not touched."""
    before = copy.deepcopy(documents)
    first, *others = rank(BentoRanker(base_url=starter_service.url), documents)
    assert (first.id, first.meta) == ("owls", {"page": 2, "title": "Owls"})
    assert type(first.score) is float
    assert {document.id for document in others} == {"bread", "ships"}
    assert documents == before


def test_top_k_cuts_the_list(rank, documents, starter_service):
    """The call's own takes the component's place."""
    ranker = BentoRanker(base_url=starter_service.url, top_k=2)
    assert len(rank(ranker, documents)) == 2
    assert len(rank(ranker, documents, top_k=1)) == 1
    for impossible in (0, -1):
        with pytest.raises(ValueError, match="top_k"):
            rank(ranker, documents, top_k=impossible)
        with pytest.raises(ValueError, match="top_k"):
            BentoRanker(top_k=impossible)


def test_no_documents_need_no_service(rank):
    """Nobody listens on port 9."""
    assert rank(BentoRanker(base_url="http://127.0.0.1:9"), []) == []


def test_the_service_belongs_to_the_trace_of_whoever_asks(rank, documents, scripted):
    """Its span is a child of the caller's, by W3C trace context."""
    server = scripted(ranking())
    with callers_span() as (trace_id, span_id):
        rank(BentoRanker(base_url=server.url), documents)
    assert server.requests[0][1]["traceparent"] == f"00-{trace_id}-{span_id}-01"


def test_meta_fields_are_read_before_the_content(rank, documents, scripted):
    """Those that a document has."""
    server = scripted(ranking())
    rank(BentoRanker(base_url=server.url, meta_fields_to_embed=["title"], meta_data_separator=": "), documents)
    assert server.requests[0][2]["documents"] == ["Bread needs flour.", "Owls: Owls eat mice.", "Ships carry freight."]


def test_a_failure_is_raised_or_passed_through(rank, documents, scripted):
    """Passed through, documents keep order and score."""
    url = scripted(status(500)).url
    with pytest.raises(RerankError):
        rank(BentoRanker(base_url=url), documents)
    passed = rank(BentoRanker(base_url=url, on_error="passthrough", top_k=2), documents)
    assert [(document.id, document.score) for document in passed] == [("bread", 0.9), ("owls", None)]
    assert passed[0].meta == {"page": 1, "rerank_degraded": True}
    assert documents[0].meta == {"page": 1}


def test_the_key_comes_from_the_environment_or_from_nowhere(rank, documents, scripted, monkeypatch):
    """None sends none, whatever the environment holds."""
    monkeypatch.setenv("BENTORANK_API_KEY", "key")
    server = scripted(ranking())
    rank(BentoRanker(base_url=server.url), documents)
    rank(BentoRanker(base_url=server.url, api_key=None), documents)
    sent = [headers.get("authorization") for _, headers, _ in server.requests]
    assert sent == ["Bearer key", None]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_in_a_pipeline_read_from_its_file(mode, documents, starter_service):
    """A pipeline written and read back ranks alike."""
    written = Pipeline()
    written.add_component("ranker", BentoRanker(base_url=starter_service.url, top_k=1))
    pipeline = Pipeline.loads(written.dumps())
    data = {"ranker": {"query": QUERY, "documents": documents}}
    if mode == "sync":
        answer = pipeline.run(data)
        pipeline.close()
    else:
        answer = asyncio.run(run_and_close(pipeline, data))
    assert [document.id for document in answer["ranker"]["documents"]] == ["owls"]


async def run_and_close(pipeline, data):
    try:
        return await pipeline.run_async(data)
    finally:
        await pipeline.close_async()


def test_every_argument_makes_the_round_trip(monkeypatch):
    """And no secret does."""
    monkeypatch.setenv("OTHER_KEY", KEY)
    given = {
        "base_url": ["http://a", "http://b"],
        "api_key": Secret.from_env_var("OTHER_KEY"),
        "model": "m",
        "instruction": "Find owls.",
        "first_stage": "embeddings",
        "keep": 9,
        "score_mode": "logit",
        "overflow": "chunk",
        "max_tokens_per_doc": 9,
        "max_chunks_per_doc": 2,
        "overlap_tokens": 1,
        "truncation_side": "left",
        "on_deadline": "partial",
        "on_item_error": "skip",
        "no_cache": True,
        "no_store": False,
        "connect_timeout_s": 1.0,
        "top_k": 3,
        "score_threshold": 0.5,
        "meta_fields_to_embed": ["title"],
        "meta_data_separator": " ",
        "timeout_s": 2.0,
        "max_attempts": 1,
        "max_batch_size": 10,
        "max_concurrency": 2,
        "on_error": "passthrough",
    }
    ranker = BentoRanker(**given)
    written = ranker.to_dict()
    assert KEY not in str(written)
    assert written["init_parameters"].keys() == given.keys()
    assert BentoRanker.from_dict(written).to_dict() == ranker.to_dict()


def test_a_key_may_be_a_text(documents, scripted):
    """It is sent, and neither shown nor written into a file."""
    server = scripted(ranking())
    ranker = BentoRanker(base_url=server.url, api_key=KEY)
    answered(ranker, documents)
    assert server.requests[0][1]["authorization"] == f"Bearer {KEY}"
    assert KEY not in f"{ranker!r} {ranker.api_key!r}"
    with pytest.raises(ValueError, match="serialize token-based secret"):
        ranker.to_dict()
    assert BentoRanker(api_key="").api_key is None


@pytest.mark.parametrize(
    "arguments",
    [
        {"base_url": "127.0.0.1"},
        {"base_url": f"http://me:{KEY}@host"},
        {"api_key": f"{KEY}\n"},
        {"api_key": [KEY]},
        {"api_kee": KEY},
        {"base_ur": "http://127.0.0.1"},
        {"timeout_s": KEY},
        {"overflow": KEY},
        {"on_deadline": KEY},
        {"on_item_error": KEY},
        {"no_cache": KEY},
    ],
)
@pytest.mark.parametrize("client", [None, object()])
def test_a_wrong_argument_is_refused_and_no_error_holds_a_key(arguments, client):
    """Also where a client is given and needs none of them."""
    with pytest.raises((ValueError, TypeError)) as caught:
        BentoRanker(**{"api_key": KEY, "client": client} | arguments)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_what_was_said_of_a_document_stands_in_its_meta(rank, service):
    """Cut, or split with the span of its best chunk; nothing that an earlier ranker said."""
    late = Document(content="filler " * 600 + "owls eat mice", meta={"rerank_degraded": True, "page": 3})
    short = Document(content="Owls eat mice.")
    (cut,) = rank(BentoRanker(base_url=service.url), [late], query="owls")
    assert cut.meta.keys() == {"page", "rerank_truncated", "rerank_warnings"}
    for found in (
        rank(BentoRanker(base_url=service.url, overflow="chunk"), [late, short], query="owls"),
        rank(BentoRanker(base_url=service.url), [late, short], query="owls", overflow="chunk"),
    ):
        split = {document.id: document for document in found}[late.id]
        assert "owls eat mice" in late.content[split.meta["rerank_span"]["start"] : split.meta["rerank_span"]["end"]]
        assert split.meta.keys() == {"page", "rerank_span"}


def test_what_has_no_score_stands_last_and_says_why(rank, documents, scripted):
    """It has no score, not that of the retriever either; as the component asks, or the run."""
    server = scripted(
        scoring({"Bread needs flour.": "deadline_exceeded", "Owls eat mice.": "scoring_failed"}, ["2 of 3"])
    )
    wishes = {"on_deadline": "partial", "on_item_error": "skip", "no_cache": True}
    for ranker, asked in ((BentoRanker(base_url=server.url, **wishes), {}), (BentoRanker(base_url=server.url), wishes)):
        found = rank(ranker, documents, **asked)
        assert [(document.id, document.score) for document in found] == [
            ("ships", 0.5),
            ("bread", None),
            ("owls", None),
        ]
        assert found[1].meta == {"page": 1, "rerank_unscored": "deadline_exceeded", "rerank_warnings": ["2 of 3"]}
        _, headers, body = server.requests.pop()
        assert (body["on_deadline"], body["on_item_error"], headers["cache-control"]) == ("partial", "skip", "no-cache")
        assert 25 < float(headers["x-request-timeout"]) <= 29
        assert [document.id for document in rank(ranker, documents, score_threshold=0.1, **asked)] == ["ships"]
        server.requests.clear()
    again = rank(BentoRanker(base_url=scripted(ranking()).url), found)
    assert all("rerank_unscored" not in document.meta for document in again)


def test_what_a_first_stage_prunes_stands_last_without_a_score(rank, documents, starter_service):
    """As the component asks, or the run; nothing was read of it: it has no score, the retriever's neither."""
    wishes = {"first_stage": "embeddings", "keep": 1}
    for own, asked in ((wishes, {}), ({}, wishes)):
        best, *pruned = rank(BentoRanker(base_url=starter_service.url, **own), documents, **asked)
        assert (best.id, best.meta) == ("owls", {"page": 2, "title": "Owls"})
        assert {document.id for document in pruned} == {"bread", "ships"}
        assert [(document.score, document.meta["rerank_unscored"]) for document in pruned] == [(None, "pruned")] * 2
    meta = answered(BentoRanker(base_url=starter_service.url), documents, **wishes)["meta"]
    usage = meta["usage"]["first_stage"]
    assert (usage["name"], usage["pairs"], usage["pruned_documents"]) == ("embeddings", 3, 2)
    assert json.loads(json.dumps(meta)) == meta


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"on_deadline": "some"}, "on_deadline: must be one of error, partial"),
        ({"on_item_error": "partial"}, "on_item_error: must be one of error, skip"),
        ({"no_cache": "yes"}, "no_cache: must be True or False"),
        ({"no_store": "yes"}, "no_store: must be True or False"),
        ({"keep": 0}, "keep: must be a whole number of at least 1"),
        ({"instruction": 3}, "instruction: must be a text"),
        ({"first_stage": ""}, "first_stage: must be a name"),
        ({"truncation_side": "both"}, "truncation_side: must be one of left, right"),
    ],
)
def test_a_wrong_wish_is_refused_with_the_right_ones(documents, wrong, said):
    """When made, and by a run."""
    with pytest.raises(ValueError, match=said):
        BentoRanker(**wrong)
    with pytest.raises(ValueError, match=said):
        BentoRanker(base_url="http://127.0.0.1:9").run(QUERY, documents, **wrong)


def test_a_run_may_ask_for_more_than_the_component(documents, scripted):
    """Its arguments take the place of the component's, and go to the service."""
    server = scripted(ranking())
    ranker = BentoRanker(base_url=server.url, model="m", overflow="chunk", score_threshold=0.1)
    answered(ranker, documents)
    answered(ranker, documents, overflow="error", score_threshold=0.0, max_tokens_per_doc=7, timeout_s=3.0)
    (_, _, own), (_, headers, asked) = server.requests
    assert own.items() >= {"model": "m", "overflow": "chunk", "score_threshold": 0.1}.items()
    assert asked.items() >= {"model": "m", "overflow": "error", "score_threshold": 0, "max_tokens_per_doc": 7}.items()
    assert float(headers["x-request-timeout"]) <= 3
    with pytest.raises(TypeError, match="run: there is no argument top_n"):
        ranker.run(QUERY, documents, top_n=1)


WISHES = {
    "model": "b",
    "instruction": "Find owls.",
    "first_stage": "embeddings",
    "keep": 9,
    "score_mode": "logit",
    "overflow": "chunk",
    "max_tokens_per_doc": 9,
    "max_chunks_per_doc": 2,
    "overlap_tokens": 1,
    "truncation_side": "left",
    "on_deadline": "partial",
    "on_item_error": "skip",
}


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_all_that_may_be_asked_for_is_an_input_of_a_pipeline(mode, documents, scripted):
    """Given by the caller, or by another component, as an agent or a router would choose model and instruction."""

    @component
    class Choosing:
        @component.output_types(instruction=str, model=str)
        def run(self, topic: str) -> dict[str, str]:
            return {"instruction": f"Find {topic}.", "model": "b"}

    server = scripted(ranking())
    pipeline = Pipeline()
    pipeline.add_component("choosing", Choosing())
    pipeline.add_component("ranker", BentoRanker(base_url=server.url, model="a", keep=3))
    pipeline.connect("choosing.instruction", "ranker.instruction")
    pipeline.connect("choosing.model", "ranker.model")
    given = {name: value for name, value in WISHES.items() if name not in {"instruction", "model"}}
    asked = given | {"query": QUERY, "documents": documents, "timeout_s": 3.0, "no_store": True}
    data = {"choosing": {"topic": "owls"}, "ranker": asked}
    if mode == "sync":
        pipeline.run(data)
        pipeline.close()
    else:
        asyncio.run(run_and_close(pipeline, data))
    ((_, headers, body),) = server.requests
    assert body.items() >= WISHES.items()
    assert headers["cache-control"] == "no-store"
    assert float(headers["x-request-timeout"]) <= 3


def test_the_component_says_what_a_rerank_cost(documents, service, scripted):
    """And what was wrong with it, in plain JSON."""
    meta = answered(BentoRanker(base_url=service.url), documents)["meta"]
    assert meta["usage"]["pairs"] == 3
    assert meta["timings_ms"]["total"] > 0
    assert (meta["warnings"], meta["degraded"]) == ([], False)
    failing = BentoRanker(base_url=scripted(status(500)).url, on_error="passthrough")
    assert answered(failing, documents)["meta"]["degraded_reason"].startswith("APIStatusError")
    assert json.loads(json.dumps(meta)) == meta
