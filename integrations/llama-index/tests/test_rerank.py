"""BentoRerank against a real server with the shipped model, alone and in real engines."""

from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
import traceback
from typing import Any

import pytest
from bentorank_client import RerankError
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.chat_engine import ContextChatEngine
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.llms.mock import MockLLM
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, TextNode
from llama_index.postprocessor.bentorank import BentoRerank
from pydantic import ValidationError
from support.callers_span import callers_span
from support.scripted_server import ranking, scoring, status

QUERY = "what do owls eat"
KEY = "yranac"[::-1]  # so that no line of this file, which a traceback shows, holds it


class Events(BaseEventHandler):
    """Rerank events by name, with their nodes."""

    seen: list[Any]

    def handle(self, event, **_):
        if event.class_name().startswith("ReRank"):
            self.seen.append((event.class_name(), len(event.nodes)))


class Given(BaseRetriever):
    """Finds the same nodes for every query."""

    def __init__(self, nodes):
        super().__init__()
        self.nodes = nodes

    def _retrieve(self, query_bundle):
        return self.nodes


@pytest.fixture
def events():
    handler = Events(seen=[])
    get_dispatcher().add_event_handler(handler)
    yield handler.seen
    get_dispatcher().event_handlers.remove(handler)


@pytest.fixture
def spans():
    handler = SimpleSpanHandler()
    get_dispatcher().add_span_handler(handler)
    yield handler
    get_dispatcher().span_handlers.remove(handler)


@pytest.fixture
def nodes():
    return [
        NodeWithScore(node=TextNode(id_="bread", text="Bread needs flour.", metadata={"page": 1}), score=0.9),
        NodeWithScore(node=TextNode(id_="owls", text="Owls eat mice.", metadata={"page": 2}), score=0.2),
        NodeWithScore(node=TextNode(id_="ships", text="Ships carry freight.")),
    ]


async def closing(reranker, call):
    try:
        return await call
    finally:
        await reranker.aclose()


@pytest.fixture(params=["sync", "async"])
def rerank(request):
    """postprocess_nodes, or apostprocess_nodes in an event loop."""

    def call(reranker, nodes, query=QUERY):
        if request.param == "sync":
            return reranker.postprocess_nodes(nodes, query_str=query)
        return asyncio.run(closing(reranker, reranker.apostprocess_nodes(nodes, query_str=query)))

    return call


def ids(nodes):
    return [node.node.node_id for node in nodes]


def test_the_best_come_first(rerank, nodes, starter_service):
    """With new scores; the nodes given are not touched."""
    before = copy.deepcopy(nodes)
    found = rerank(BentoRerank(base_url=starter_service.url), nodes)
    assert ids(found)[0] == "owls"
    assert sorted(ids(found)) == ["bread", "owls", "ships"]
    assert type(found[0].score) is float
    assert nodes == before
    assert found[0].to_json()


def test_top_n_and_threshold_cut_the_list(rerank, nodes, starter_service):
    """None keeps all."""
    everything = rerank(BentoRerank(base_url=starter_service.url), nodes)
    assert rerank(BentoRerank(base_url=starter_service.url, top_n=2), nodes) == everything[:2]
    cut = BentoRerank(base_url=starter_service.url, score_threshold=everything[0].score)
    assert rerank(cut, nodes) == everything[:1]


def test_the_service_belongs_to_the_trace_of_whoever_asks(rerank, nodes, scripted):
    """Its span is a child of the caller's, by W3C trace context."""
    server = scripted(ranking())
    with callers_span() as (trace_id, span_id):
        rerank(BentoRerank(base_url=server.url), nodes)
    assert server.requests[0][1]["traceparent"] == f"00-{trace_id}-{span_id}-01"


def test_metadata_is_read_as_the_mode_says(rerank, nodes, scripted):
    """As for an embedding, unless set."""
    server = scripted(ranking())
    rerank(BentoRerank(base_url=server.url), nodes)
    rerank(BentoRerank(base_url=server.url, metadata_mode=MetadataMode.NONE), nodes)
    with_metadata, without = (body["documents"] for _, _, body in server.requests)
    assert with_metadata[0] == "page: 1\n\nBread needs flour."
    assert without[0] == "Bread needs flour."


def test_a_retrieval_score_is_kept_where_no_model_reads_it(rerank, nodes, starter_service):
    """In a copy of the node."""
    found = rerank(BentoRerank(base_url=starter_service.url, keep_retrieval_score=True), nodes)
    assert found[0].node.metadata == {"page": 2, "retrieval_score": 0.2}
    for mode in (MetadataMode.EMBED, MetadataMode.LLM):
        assert "retrieval_score" not in found[0].node.get_content(metadata_mode=mode)
    assert nodes[1].node.metadata == {"page": 2}
    assert nodes[1].node.excluded_llm_metadata_keys == []


def test_a_failure_is_raised_or_passed_through(rerank, nodes, scripted):
    """Passed through, nodes keep order and score."""
    url = scripted(status(500)).url
    with pytest.raises(RerankError):
        rerank(BentoRerank(base_url=url), nodes)
    passed = rerank(BentoRerank(base_url=url, on_error="passthrough", top_n=2), nodes)
    assert [(node.node.node_id, node.score) for node in passed] == [("bread", 0.9), ("owls", 0.2)]
    assert passed[0].node.metadata["rerank_degraded"] is True
    assert "rerank_degraded" not in passed[0].node.get_content(metadata_mode=MetadataMode.LLM)


def test_a_query_is_needed_and_nodes_are_not(rerank):
    """Nobody listens on port 9."""
    reranker = BentoRerank(base_url="http://127.0.0.1:9")
    assert rerank(reranker, []) == []
    with pytest.raises(ValueError, match=r"Missing query bundle in extra info\."):
        rerank(reranker, [], query=None)


def test_events_come_in_pairs(rerank, nodes, events, starter_service, scripted):
    """After an answer, a failure, and none for no nodes."""
    rerank(BentoRerank(base_url=starter_service.url, top_n=1), nodes)
    with pytest.raises(RerankError):
        rerank(BentoRerank(base_url=scripted(status(500)).url), nodes)
    rerank(BentoRerank(base_url="http://127.0.0.1:9"), [])
    assert events == [("ReRankStartEvent", 3), ("ReRankEndEvent", 1), ("ReRankStartEvent", 3), ("ReRankEndEvent", 0)]


def test_the_older_callbacks_are_told_too(rerank, nodes, starter_service):
    """Engines assign their callback manager."""
    handler = LlamaDebugHandler(print_trace_on_end=False)
    reranker = BentoRerank(base_url=starter_service.url)
    reranker.callback_manager = CallbackManager([handler])
    rerank(reranker, nodes)
    ((start, end),) = handler.get_event_pairs(CBEventType.RERANKING)
    assert len(start.payload["nodes"]) == len(end.payload["nodes"]) == 3


def test_each_rerank_has_its_span(rerank, nodes, spans, starter_service):
    """Asynchronous ones as well."""
    rerank(BentoRerank(base_url=starter_service.url), nodes)
    assert any("postprocess_nodes" in span.id_ for span in spans.completed_spans)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_in_a_query_engine(mode, nodes, starter_service):
    """Retrieve, rerank, synthesise."""
    reranker = BentoRerank(base_url=starter_service.url, top_n=1)
    engine = RetrieverQueryEngine.from_args(Given(nodes), llm=MockLLM(), node_postprocessors=[reranker])
    answer = engine.query(QUERY) if mode == "sync" else asyncio.run(closing(reranker, engine.aquery(QUERY)))
    assert ids(answer.source_nodes) == ["owls"]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_in_a_chat_engine(mode, nodes, starter_service):
    """The same, in a conversation."""
    reranker = BentoRerank(base_url=starter_service.url, top_n=1)
    engine = ContextChatEngine.from_defaults(Given(nodes), llm=MockLLM(), node_postprocessors=[reranker])
    answer = engine.chat(QUERY) if mode == "sync" else asyncio.run(closing(reranker, engine.achat(QUERY)))
    assert ids(answer.source_nodes) == ["owls"]


@pytest.mark.parametrize(
    "copied",
    [
        copy.deepcopy,
        lambda reranker: pickle.loads(pickle.dumps(reranker)),
        lambda reranker: BentoRerank.from_dict(reranker.to_dict()),
        lambda reranker: BentoRerank.from_json(reranker.to_json()),
    ],
    ids=["deepcopy", "pickle", "dict", "json"],
)
def test_copies_behave_alike(copied, nodes, starter_service):
    """Before and after a call; the address is kept, so nothing goes elsewhere."""
    reranker = BentoRerank(base_url=starter_service.url, top_n=2, keep_retrieval_score=True)
    expected = reranker.postprocess_nodes(nodes, QueryBundle(QUERY))
    assert copied(reranker).postprocess_nodes(nodes, QueryBundle(QUERY)) == expected


def everything_of(error):
    shown = [*traceback.format_exception(error), str(error.errors()), error.json()]
    return "\n".join([*shown, *(everything_of(linked) for linked in (error.__cause__, error.__context__) if linked)])


def test_secrets_stay_secret():
    """In repr, dicts and JSON."""
    reranker = BentoRerank(base_url="http://127.0.0.1:9", api_key=KEY)
    assert KEY not in f"{reranker!r} {reranker} {reranker.to_dict()} {reranker.to_json()} {reranker.model_dump()}"
    assert "api_key" not in reranker.to_dict()


@pytest.mark.parametrize(
    "fields",
    [
        {"base_url": "127.0.0.1"},
        {"base_url": f"http://me:{KEY}@host"},
        {"api_key": f"{KEY}\n"},
        {"api_key": [KEY]},
        {"api_kee": KEY},
        {"base_ur": "http://127.0.0.1"},
        {"top_n": 0},
        {"metadata_mode": KEY},
        {"client": KEY},
    ],
)
def test_a_wrong_field_is_refused_and_no_error_holds_a_key(fields):
    """One that does not exist too."""
    given = {"api_key": KEY} | fields
    for make in (BentoRerank, BentoRerank.model_validate, BentoRerank.from_dict):
        with pytest.raises(ValidationError) as caught:
            make(**given) if make is BentoRerank else make(given)
        assert KEY not in everything_of(caught.value)


def test_a_refused_assignment_leaves_nothing_behind():
    """The field is as it was."""
    reranker = BentoRerank(base_url="http://127.0.0.1:9")
    with pytest.raises(ValidationError):
        reranker.base_url = f"http://me:{KEY}@host"
    assert reranker.base_url == "http://127.0.0.1:9"
    assert KEY not in f"{reranker!r} {reranker.to_dict()}"


def test_what_was_said_of_a_node_stands_in_its_metadata(rerank, service):
    """Where no model reads it: cut, or split with the span of its best chunk; nothing that an earlier one said."""
    metadata = {"rerank_degraded": True, "page": 3}
    late = NodeWithScore(node=TextNode(text="filler " * 600 + "owls eat mice", metadata=metadata))
    short = NodeWithScore(node=TextNode(text="Owls eat \ud800."))
    (cut,) = rerank(BentoRerank(base_url=service.url), [late], "owls")
    assert cut.node.metadata.keys() == {"page", "rerank_truncated", "rerank_warnings"}
    mode = MetadataMode.NONE
    found = rerank(BentoRerank(base_url=service.url, overflow="chunk", metadata_mode=mode), [late, short], "owls")
    split = {node.node.node_id: node.node for node in found}[late.node.node_id]
    span = split.metadata["rerank_span"]
    assert "owls eat mice" in late.node.text[span["start"] : span["end"]]
    assert split.metadata["rerank_warnings"][0].startswith("documents[1]: lone surrogates")
    assert split.metadata.keys() == {"page", "rerank_span", "rerank_warnings"}
    for reader in (MetadataMode.EMBED, MetadataMode.LLM):
        assert "rerank_" not in split.get_content(metadata_mode=reader)
    again = rerank(BentoRerank(base_url=service.url, max_tokens_per_doc=0), [NodeWithScore(node=split)], "owls")
    assert again[0].node.excluded_llm_metadata_keys.count("rerank_warnings") == 1
    assert late.node.metadata == metadata


def test_what_has_no_score_stands_last_and_says_why(rerank, nodes, scripted):
    """Where no model reads it; it has no score, not that of the retriever either."""
    server = scripted(
        scoring({"Bread needs flour.": "deadline_exceeded", "Owls eat mice.": "scoring_failed"}, ["2 of 3"])
    )
    asked = {"on_deadline": "partial", "on_item_error": "skip"}
    fields = {"base_url": server.url, "metadata_mode": MetadataMode.NONE, "no_cache": True}
    found = rerank(BentoRerank(**fields, **asked), nodes)
    assert [(node.node.node_id, node.score) for node in found] == [("ships", 0.5), ("bread", None), ("owls", None)]
    assert [node.node.metadata.get("rerank_unscored") for node in found] == [
        None,
        "deadline_exceeded",
        "scoring_failed",
    ]
    assert found[1].to_json()
    for reader in (MetadataMode.EMBED, MetadataMode.LLM):
        assert "rerank_" not in found[1].node.get_content(metadata_mode=reader)
    again = rerank(BentoRerank(base_url=scripted(ranking()).url), found)
    assert all("rerank_unscored" not in node.node.metadata for node in again)
    assert [node.node.node_id for node in rerank(BentoRerank(**fields, score_threshold=0.1), nodes)] == ["ships"]
    _, headers, body = server.requests[0]
    assert body.items() >= asked.items()
    assert headers["cache-control"] == "no-cache"
    assert 25 < float(headers["x-request-timeout"]) <= 29


def test_what_a_first_stage_prunes_stands_last_without_a_score(rerank, nodes, starter_service):
    """Nothing was read of it: it has no score, the retriever's neither."""
    pruning = BentoRerank(base_url=starter_service.url, first_stage="embeddings", keep=1)
    best, *pruned = rerank(pruning, nodes)
    assert (best.node.node_id, best.node.metadata) == ("owls", {"page": 2})
    assert {node.node.node_id for node in pruned} == {"bread", "ships"}
    assert [(node.score, node.node.metadata["rerank_unscored"]) for node in pruned] == [(None, "pruned")] * 2
    everything = rerank(BentoRerank(base_url=starter_service.url), [best, *pruned])
    assert all("rerank_unscored" not in node.node.metadata for node in everything)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"on_deadline": KEY}, r"on_deadline\s+Input should be 'error' or 'partial'"),
        ({"on_item_error": KEY}, r"on_item_error\s+Input should be 'error' or 'skip'"),
        ({"no_cache": KEY}, r"no_cache\s+Input should be a valid boolean"),
        ({"no_store": KEY}, r"no_store\s+Input should be a valid boolean"),
        ({"keep": KEY}, r"keep\s+Input should be a valid integer"),
        ({"instruction": [KEY]}, r"instruction\s+Input should be a valid string"),
        ({"first_stage": [KEY]}, r"first_stage\s+Input should be a valid string"),
        ({"truncation_side": KEY}, r"truncation_side\s+Input should be 'left' or 'right'"),
    ],
)
def test_a_wrong_wish_is_refused_with_the_right_ones(wrong, said):
    """When made, and when assigned."""
    reranker = BentoRerank()
    ((name, value),) = wrong.items()
    for refuse in (lambda: BentoRerank(**wrong), lambda: setattr(reranker, name, value)):
        with pytest.raises(ValidationError, match=said) as caught:
            refuse()
        assert KEY not in everything_of(caught.value)


def test_fields_reach_the_service(rerank, nodes, scripted):
    """All that a rerank may be asked for."""
    server = scripted(ranking())
    asked = {
        "model": "m",
        "instruction": "Find owls.",
        "first_stage": "embeddings",
        "keep": 9,
        "top_n": 2,
        "score_threshold": 0.1,
        "score_mode": "logit",
        "overflow": "chunk",
        "max_tokens_per_doc": 9,
        "max_chunks_per_doc": 2,
        "overlap_tokens": 1,
        "truncation_side": "left",
        "on_deadline": "partial",
        "on_item_error": "skip",
    }
    made = BentoRerank(base_url=server.url, timeout_s=3, no_store=True, **asked)
    rerank(BentoRerank.from_dict(made.to_dict()), nodes)
    ((_, headers, body),) = server.requests
    assert body.items() >= asked.items()
    assert headers["cache-control"] == "no-store"
    assert float(headers["x-request-timeout"]) <= 3


def test_type_checkers_take_a_text_as_the_key(tmp_path):
    """With pydantic's plugin and without; and refuse a field that does not exist."""
    right = """
from llama_index.postprocessor.bentorank import BentoRerank
from pydantic import SecretStr

BentoRerank(api_key="key", base_url=["http://a"], overflow="chunk", timeout_s=3)
BentoRerank(api_key=SecretStr("key"), base_url="http://a")
"""
    (tmp_path / "snippet.py").write_text(f"{right}\nBentoRerank(base_ur='http://a')")
    (tmp_path / "plain.ini").write_text("[mypy]\nstrict = true\n")
    (tmp_path / "plugin.ini").write_text(
        "[mypy]\nstrict = true\nplugins = pydantic.mypy\n[pydantic-mypy]\ninit_typed = true\n"
    )
    for config in ("plain.ini", "plugin.ini"):
        command = [sys.executable, "-m", "mypy", "--config-file", config, "--cache-dir", config[:-4], "snippet.py"]
        said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
        errors = [line for line in said.splitlines() if ": error:" in line]
        assert len(errors) == 1, said
        assert "base_ur" in errors[0]


def test_it_is_a_node_postprocessor():
    """By name and by class."""
    assert BaseNodePostprocessor in BentoRerank.__mro__
    assert BentoRerank.class_name() == "BentoRerank"
