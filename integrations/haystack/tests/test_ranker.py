"""BentoRanker against a real server with the shipped model, alone and in real pipelines."""

from __future__ import annotations

import asyncio
import copy

import pytest
from bentorank_client import RerankError
from haystack import Document, Pipeline
from haystack.utils import Secret
from haystack_integrations.components.rankers.bentorank import BentoRanker
from support.scripted_server import ranking, status

QUERY = "what do owls eat"


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
        given = {"query": QUERY, "documents": documents, **options}
        answer = ranker.run(**given) if request.param == "sync" else asyncio.run(run_async(ranker, given))
        ranker.close()
        return answer["documents"]

    return call


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
    monkeypatch.setenv("OTHER_KEY", "canary")
    given = {
        "base_url": ["http://a", "http://b"],
        "api_key": Secret.from_env_var("OTHER_KEY"),
        "model": "m",
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
    assert "canary" not in str(written)
    assert written["init_parameters"].keys() == given.keys()
    assert BentoRanker.from_dict(written).to_dict() == ranker.to_dict()
