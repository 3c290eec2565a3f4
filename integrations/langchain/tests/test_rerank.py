"""BentoRerank against a real server with the shipped model, alone, in a compression retriever and in a chain."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import math
import pickle
import subprocess
import sys
import time
import traceback

import pytest
from bentorank_client import BadRequestError, RerankError, RerankResult
from bentorank_client.results import RankedDocument
from langchain_bentorank import BentoRerank, BentoRerankRetriever
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.load import dumps
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from pydantic import ValidationError
from support.callers_span import callers_span
from support.scripted_server import ranking, scoring, status

QUERY = "what do owls eat"
KEY = "yranac"[::-1]  # so that no line of this file, which a traceback shows, holds it


class Passage(Document):
    """A subclass, which has to survive."""

    shelf: int = 7


class Given(BaseRetriever):
    """Finds the same documents for every query."""

    documents: list[Document]

    def _get_relevant_documents(self, query, *, run_manager):
        return self.documents


class Recorder(BaseCallbackHandler):
    """Retriever runs as they start, end and fail."""

    def __init__(self):
        self.events = []

    def on_retriever_start(self, serialized, query, *, run_id, parent_run_id=None, name=None, **kwargs):
        self.events.append(("start", name, run_id, parent_run_id))

    def on_retriever_end(self, documents, *, run_id, **kwargs):
        self.events.append(("end", len(documents), run_id))

    def on_retriever_error(self, error, *, run_id, **kwargs):
        self.events.append(("error", type(error).__name__, run_id))


@pytest.fixture
def documents():
    return [
        Document("Bread needs flour.", id="bread", metadata={"page": 1}),
        Passage(page_content="Owls eat mice.", id="owls", metadata={"page": 2, "relevance_score": 9}),
        Document("Ships carry freight.", id="ships"),
    ]


async def closing(reranker, call):
    try:
        return await call
    finally:
        await reranker.aclose()


@pytest.fixture(params=["sync", "async"])
def compress(request):
    """compress_documents, or acompress_documents in an event loop."""

    def call(reranker, documents, query=QUERY, callbacks=None):
        if request.param == "sync":
            return reranker.compress_documents(documents, query, callbacks)
        return asyncio.run(closing(reranker, reranker.acompress_documents(documents, query, callbacks)))

    return call


def test_the_best_come_first_as_copies(compress, documents, starter_service):
    """Id, class and metadata stay, the score is added, and what was given is not touched."""
    before = copy.deepcopy(documents)
    first, *others = compress(BentoRerank(base_url=starter_service.url), documents)
    assert (first.id, type(first), first.shelf, first.metadata["page"]) == ("owls", Passage, 7, 2)
    assert 0 < first.metadata["relevance_score"] < 1
    assert type(first.metadata["relevance_score"]) is float
    assert {document.id for document in others} == {"bread", "ships"}
    assert documents == before


def test_top_n_and_threshold_cut_the_list(compress, documents, starter_service):
    """None keeps all."""
    everything = compress(BentoRerank(base_url=starter_service.url), documents)
    assert compress(BentoRerank(base_url=starter_service.url, top_n=2), documents) == everything[:2]
    threshold = everything[0].metadata["relevance_score"]
    assert compress(BentoRerank(base_url=starter_service.url, score_threshold=threshold), documents) == everything[:1]


def test_no_documents_need_no_service(compress):
    """Nobody listens on port 9."""
    assert compress(BentoRerank(base_url="http://127.0.0.1:9"), []) == []


def test_score_key_and_formatter_are_the_callers(compress, documents, scripted):
    """The model reads what the formatter writes."""
    server = scripted(ranking())
    reranker = BentoRerank(
        base_url=server.url, score_key="score", document_formatter=lambda document: f"[{document.id}]"
    )
    assert all("score" in document.metadata for document in compress(reranker, documents))
    assert server.requests[0][2]["documents"] == ["[bread]", "[owls]", "[ships]"]


def test_a_failure_is_raised_or_passed_through(compress, documents, scripted):
    """Passed through, documents keep their order and lose no more than stale scores."""
    url = scripted(status(500)).url
    with pytest.raises(RerankError):
        compress(BentoRerank(base_url=url), documents)
    passed = compress(BentoRerank(base_url=url, on_error="passthrough", top_n=2), documents)
    assert [document.id for document in passed] == ["bread", "owls"]
    assert [document.metadata for document in passed] == [
        {"page": 1, "rerank_degraded": True},
        {"page": 2, "rerank_degraded": True},
    ]


def test_each_rerank_is_a_run(compress, documents, starter_service, scripted):
    """It ends with its documents, or with its error."""
    recorder = Recorder()
    compress(BentoRerank(base_url=starter_service.url), documents, callbacks=[recorder])
    (start, name, run, _), (end, count, ended) = recorder.events
    assert (start, name, end, count, run) == ("start", "BentoRerank", "end", 3, ended)
    failing = Recorder()
    with pytest.raises(BadRequestError):
        compress(BentoRerank(base_url=scripted(status(400)).url), documents, callbacks=[failing])
    assert [event[:2] for event in failing.events] == [("start", "BentoRerank"), ("error", "BadRequestError")]


def test_the_service_belongs_to_the_trace_of_whoever_asks(compress, documents, scripted):
    """Its span is a child of the caller's, by W3C trace context."""
    server = scripted(ranking())
    with callers_span() as (trace_id, span_id):
        compress(BentoRerank(base_url=server.url), documents)
    assert server.requests[0][1]["traceparent"] == f"00-{trace_id}-{span_id}-01"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_in_a_compression_retriever(mode, documents, starter_service):
    """The rerank's run is a child of the retriever's."""
    recorder = Recorder()
    retriever = ContextualCompressionRetriever(
        base_compressor=BentoRerank(base_url=starter_service.url, top_n=1),
        base_retriever=Given(documents=documents),
    )
    config = {"callbacks": [recorder]}
    found = retriever.invoke(QUERY, config) if mode == "sync" else asyncio.run(retriever.ainvoke(QUERY, config))
    assert [document.id for document in found] == ["owls"]
    starts = [event for event in recorder.events if event[0] == "start"]
    (outer, _, rerank) = starts
    assert rerank[1] == "BentoRerank"
    assert rerank[3] == outer[2]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_in_a_chain(mode, documents, starter_service):
    """As a runnable: its run hangs below the chain's, and batch comes for free."""
    recorder = Recorder()
    reranker = BentoRerank(base_url=starter_service.url, top_n=1)
    chain = (
        RunnableLambda(lambda query: {"query": query, "documents": documents})
        | reranker.as_runnable()
        | RunnableLambda(lambda found: found[0].page_content)
    )
    config = {"callbacks": [recorder]}
    if mode == "sync":
        assert chain.invoke(QUERY, config) == "Owls eat mice."
    else:
        assert asyncio.run(chain.ainvoke(QUERY, config)) == "Owls eat mice."
    assert recorder.events[0][3] is not None
    assert chain.batch([QUERY, QUERY]) == ["Owls eat mice."] * 2


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_rerank_takes_what_tutorials_give_it(mode, documents, starter_service):
    """Texts, documents or dicts; positions and scores come back."""
    reranker = BentoRerank(base_url=starter_service.url)
    mixed = [documents[0], "Owls eat mice.", {"title": "Ships", "text": "They carry freight."}]
    if mode == "sync":
        ranked = reranker.rerank(mixed, QUERY, top_n=2, model="any")
    else:
        ranked = asyncio.run(reranker.arerank(mixed, QUERY, top_n=2, model="any"))
    assert ranked[0]["index"] == 1
    assert ranked[0].keys() == {"index", "relevance_score"}
    assert len(ranked) == 2


@pytest.mark.parametrize(
    "copied",
    [
        copy.deepcopy,
        lambda reranker: pickle.loads(pickle.dumps(reranker)),
        lambda reranker: reranker.model_copy(deep=True),
        lambda reranker: BentoRerank(**reranker.model_dump()),
    ],
    ids=["deepcopy", "pickle", "model_copy", "model_dump"],
)
def test_copies_behave_alike(copied, documents, starter_service):
    """Before and after a call."""
    reranker = BentoRerank(base_url=starter_service.url, api_key="k", top_n=2)
    expected = reranker.compress_documents(documents, QUERY)
    assert copied(reranker).compress_documents(documents, QUERY) == expected
    assert copied(reranker) == reranker


def everything_of(error):
    shown = [*traceback.format_exception(error), str(error.errors()), error.json()]
    return "\n".join([*shown, *(everything_of(linked) for linked in (error.__cause__, error.__context__) if linked)])


def test_secrets_stay_secret():
    """In repr, dumps, JSON and LangChain's own serialisation."""
    reranker = BentoRerank(base_url="http://127.0.0.1:9", api_key=KEY)
    retriever = BentoRerankRetriever(base_retriever=Given(documents=[]), reranker=reranker)
    for shown in (reranker, retriever, reranker.as_runnable()):
        assert KEY not in f"{shown!r} {shown} {dumps(shown)}"
    assert KEY not in f"{reranker.model_dump()} {reranker.model_dump_json()} {retriever.model_dump()}"


@pytest.mark.parametrize(
    "fields",
    [
        {"base_url": "127.0.0.1"},
        {"base_url": f"http://me:{KEY}@host"},
        {"api_key": f"{KEY}\n"},
        {"api_key": [KEY]},
        {"api_kee": KEY},
        {"top_n": 0},
        {"document_formatter": KEY},
        {"rank_fields": {KEY: 1}},
        {"client": KEY},
    ],
)
def test_no_error_of_a_wrong_field_holds_a_key(fields):
    """Whatever is shown of it, here and where a retriever is given the fields."""
    given = {"api_key": KEY} | fields
    for make in (
        lambda: BentoRerank(**given),
        lambda: BentoRerank.model_validate(given),
        lambda: BentoRerankRetriever(base_retriever=Given(documents=[]), reranker=given),
    ):
        with pytest.raises(ValidationError) as caught:
            make()
        assert KEY not in everything_of(caught.value)


def test_no_run_holds_a_key(documents, scripted):
    """Nor does what a trace is told when it starts, ends or fails."""
    told = []

    class Listener(BaseCallbackHandler):
        def on_retriever_start(self, *args, **kwargs):
            told.append(f"{args} {kwargs}")

        def on_retriever_end(self, *args, **kwargs):
            told.append(f"{args} {kwargs}")

        def on_retriever_error(self, *args, **kwargs):
            told.append(f"{args} {kwargs}")

        on_chain_start = on_chain_end = on_chain_error = on_retriever_start

    config = {"callbacks": [Listener()]}
    for step in (ranking(), status(401)):
        reranker = BentoRerank(base_url=scripted(step).url, api_key=KEY)
        retriever = BentoRerankRetriever(base_retriever=Given(documents=documents), reranker=reranker)
        for run in (
            lambda retriever=retriever: retriever.invoke(QUERY, config),
            lambda reranker=reranker: reranker.as_runnable().invoke({"query": QUERY, "documents": documents}, config),
        ):
            with contextlib.suppress(RerankError):
                run()
    assert len(told) >= 8
    assert KEY not in "".join(told)


def test_what_was_said_of_a_document_stands_in_its_metadata(compress, service):
    """Cut, or split with the span of its best chunk; an earlier reranker's notes are not taken for this one's."""
    late = Document("filler " * 600 + "owls eat mice", metadata={"rerank_degraded": True, "rerank_span": 1, "page": 3})
    short = Document("Owls eat \ud800.")
    (cut,) = compress(BentoRerank(base_url=service.url), [late], "owls")
    assert cut.metadata.keys() == {"page", "relevance_score", "rerank_truncated", "rerank_warnings"}
    assert cut.metadata["rerank_truncated"] is True
    found = compress(BentoRerank(base_url=service.url, overflow="chunk"), [late, short], "owls")
    split = {document.page_content: document for document in found}[late.page_content].metadata
    assert "owls eat mice" in late.page_content[split["rerank_span"]["start"] : split["rerank_span"]["end"]]
    assert split["rerank_warnings"] == ["documents[1]: lone surrogates are no characters and were sent as U+FFFD"]
    assert "rerank_truncated" not in split
    assert (
        "rerank_truncated" not in compress(BentoRerank(base_url=service.url, max_tokens_per_doc=9), [short])[0].metadata
    )


def test_what_has_no_score_stands_last_and_says_why(compress, documents, scripted):
    """Not even an earlier reranker's score: the next step would take it for this one's."""
    server = scripted(
        scoring({"Bread needs flour.": "deadline_exceeded", "Owls eat mice.": "scoring_failed"}, ["2 of 3"])
    )
    asked = {"on_deadline": "partial", "on_item_error": "skip"}
    reranker = BentoRerank(base_url=server.url, no_cache=True, **asked)
    scored, *unscored = compress(reranker, documents)
    assert scored.metadata == {"relevance_score": 0.5, "rerank_warnings": ["2 of 3"]}
    assert [document.metadata for document in unscored] == [
        {"page": 1, "rerank_unscored": "deadline_exceeded", "rerank_warnings": ["2 of 3"]},
        {"page": 2, "rerank_unscored": "scoring_failed", "rerank_warnings": ["2 of 3"]},
    ]
    again = compress(BentoRerank(base_url=scripted(ranking()).url), unscored)
    assert all("rerank_unscored" not in document.metadata for document in again)
    ((_, headers, body),) = server.requests
    assert body.items() >= asked.items()
    assert headers["cache-control"] == "no-cache"
    assert 25 < float(headers["x-request-timeout"]) <= 29


def test_what_a_first_stage_prunes_stands_last_without_a_score(compress, documents, starter_service):
    """Nothing was read of it, so no step after this one finds a score, be it an earlier reranker's."""
    reranker = BentoRerank(base_url=starter_service.url, first_stage="embeddings", keep=1)
    best, *pruned = compress(reranker, documents)
    assert best.id == "owls"
    assert best.metadata.keys() == {"page", "relevance_score"}
    assert {document.id for document in pruned} == {"bread", "ships"}
    assert {frozenset(document.metadata.keys() - {"page"}) for document in pruned} == {frozenset({"rerank_unscored"})}
    assert {document.metadata["rerank_unscored"] for document in pruned} == {"pruned"}
    everything = compress(BentoRerank(base_url=starter_service.url), [best, *pruned])
    assert all("rerank_unscored" not in document.metadata for document in everything)
    (_, first, _) = reranker.rerank([document.page_content for document in documents], QUERY)
    assert (first["relevance_score"], first["unscored"]) == (None, "pruned")
    assert reranker.rank(["owls", "ships"], QUERY).usage.first_stage.pruned_documents == 1


def test_positions_without_a_score_are_plain_json(documents, scripted):
    """Which knows no infinity; a threshold, as a field or of a call, leaves them out."""
    reranker = BentoRerank(base_url=scripted(scoring({"Bread needs flour.": "deadline_exceeded"})).url)
    texts = [document.page_content for document in documents]
    assert reranker.rerank(texts, QUERY, on_deadline="partial", no_cache=True) == [
        {"index": 1, "relevance_score": 0.5},
        {"index": 2, "relevance_score": 0.5},
        {"index": 0, "relevance_score": None, "unscored": "deadline_exceeded"},
    ]
    assert reranker.rank(texts, QUERY)[2].relevance_score == -math.inf
    assert len(reranker.rerank_documents(documents, QUERY, score_threshold=0.1)) == 2


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
    """As a field, when assigned, and in a call."""
    reranker = BentoRerank(base_url="http://127.0.0.1:9")
    ((name, value),) = wrong.items()
    for refuse in (lambda: BentoRerank(**wrong), lambda: setattr(reranker, name, value)):
        with pytest.raises(ValidationError, match=said) as caught:
            refuse()
        assert KEY not in everything_of(caught.value)
    with pytest.raises(ValueError, match=f"{name}: must be"):
        reranker.rerank(["a"], QUERY, **wrong)


def test_a_call_may_ask_for_more_than_the_fields(documents, scripted):
    """Its arguments take their place, and go to the service."""
    server = scripted(ranking())
    own = {"model": "a", "instruction": "Find owls.", "first_stage": "embeddings", "keep": 9, "truncation_side": "left"}
    reranker = BentoRerank(base_url=server.url, score_threshold=0.1, overflow="chunk", overlap_tokens=3, **own)
    reranker.rerank_documents(documents, QUERY)
    of_this_call = {"model": "b", "instruction": "Find mice.", "first_stage": "small", "keep": 8}
    reranker.rerank_documents(documents, QUERY, overflow="error", max_tokens_per_doc=7, timeout_s=3, **of_this_call)
    (_, _, fields), (_, headers, asked) = server.requests
    kept = {"score_threshold": 0.1, "overlap_tokens": 3, "truncation_side": "left"}
    assert fields.items() >= (kept | own | {"overflow": "chunk"}).items()
    assert asked.items() >= (kept | of_this_call | {"overflow": "error", "max_tokens_per_doc": 7}).items()
    assert float(headers["x-request-timeout"]) <= 3


def test_of_dicts_the_rank_fields_are_read(scripted):
    """Or else all of them with their names, as tutorials have it."""
    server = scripted(ranking())
    films = [{"title": "Owls", "year": 1999, "id": 7}, Document("Ships carry freight.")]
    reranker = BentoRerank(base_url=server.url)
    reranker.rerank(films, QUERY, rank_fields=["title", "year"])
    reranker.rerank(films, QUERY)
    chosen, everything = (body["documents"] for _, _, body in server.requests)
    assert chosen == [{"title": "Owls", "year": 1999}, "Ships carry freight."]
    assert everything == ["title: Owls\nyear: 1999\nid: 7", "Ships carry freight."]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_rank_tells_all_there_is(mode, service):
    """What it cost, where the time went, and spans; `rerank` tells those in plain JSON."""
    reranker = BentoRerank(base_url=service.url, overflow="chunk", top_n=1)
    long = ["filler " * 600 + "owls eat mice"]
    if mode == "sync":
        result, (position,) = reranker.rank(long, "owls"), reranker.rerank(long, "owls")
    else:
        result = asyncio.run(closing(reranker, reranker.arank(long, "owls")))
        (position,) = asyncio.run(closing(reranker, reranker.arerank(long, "owls")))
    assert result.usage.pairs > 1
    assert result.timings_ms.total > 0
    assert position["span"] == result[0].span._asdict()


def test_a_given_client_is_asked_for_what_is_set(documents):
    """So that a LocalReranker splits long documents as a service would."""
    asked = []

    class Asked:
        def rerank(self, query, documents, **options):
            asked.append(options)
            return RerankResult(tuple(RankedDocument(i, 0.5) for i in range(len(documents))))

        async def arerank(self, query, documents, **options):
            return self.rerank(query, documents, **options)

    BentoRerank(client=Asked(), overflow="chunk", top_n=3).compress_documents(documents, QUERY)
    BentoRerank(client=Asked()).compress_documents(documents, QUERY)
    assert asked == [{"overflow": "chunk", "top_n": 3}, {}]


def test_type_checkers_take_a_text_as_the_key(tmp_path):
    """With pydantic's plugin and without; and refuse a field that does not exist."""
    right = """
from langchain_bentorank import BentoRerank, BentoRerankRetriever
from langchain_core.runnables import RunnableLambda
from pydantic import SecretStr

BentoRerank(api_key="key", base_url=["http://a"], overflow="chunk", timeout_s=3)
BentoRerank(api_key=SecretStr("key")).rerank([{"title": "Owls"}], "q", rank_fields=["title"], top_n=1)
BentoRerank().rerank_documents([], "q", overflow="error", max_tokens_per_doc=5)
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


def test_impossible_fields_are_refused():
    """When set and when assigned."""
    with pytest.raises(ValueError, match="top_n"):
        BentoRerank(top_n=0)
    with pytest.raises(ValueError, match="top_k"):
        BentoRerank(top_k=3)
    with pytest.raises(ValueError, match="base_url"):
        BentoRerank(base_url="localhost")
    reranker = BentoRerank()
    with pytest.raises(ValueError, match="top_n"):
        reranker.top_n = -1


def test_an_assignment_takes_effect(documents, scripted):
    """The next call goes to the new address."""
    first, second = scripted(ranking()), scripted(ranking())
    reranker = BentoRerank(base_url=first.url)
    reranker.compress_documents(documents, QUERY)
    reranker.base_url = second.url
    reranker.compress_documents(documents, QUERY)
    assert [len(server.requests) for server in (first, second)] == [1, 1]


def test_any_client_will_do(compress, documents):
    """Such as one that ranks in this process."""

    class Reversing:
        def rerank(self, query, documents, *, top_n=None, score_threshold=None):
            count = len(documents)
            return RerankResult(tuple(RankedDocument(count - 1 - i, 1 - i / count) for i in range(count))[:top_n])

        async def arerank(self, query, documents, **options):
            return self.rerank(query, documents, **options)

    found = compress(BentoRerank(client=Reversing(), top_n=2), documents)
    assert [document.id for document in found] == ["ships", "owls"]


def test_the_environment_names_service_and_key(documents, scripted, monkeypatch):
    """Nothing needs to stand in the code."""
    server = scripted(ranking())
    monkeypatch.setenv("BENTORANK_BASE_URL", server.url)
    monkeypatch.setenv("BENTORANK_API_KEY", "key")
    BentoRerank().compress_documents(documents, QUERY)
    assert server.requests[0][1]["authorization"] == "Bearer key"
    assert server.requests[0][1]["user-agent"].startswith("langchain-bentorank/")


def test_many_calls_wait_together(documents, scripted):
    """No thread is held while the service works."""
    server = scripted(lambda handler, body: (time.sleep(0.2), ranking()(handler, body)))
    reranker = BentoRerank(base_url=server.url)

    async def together():
        await asyncio.gather(*(reranker.acompress_documents(documents, QUERY) for _ in range(64)))
        await reranker.aclose()

    started = time.monotonic()
    asyncio.run(together())
    assert time.monotonic() - started < 2


def test_it_is_a_document_compressor():
    """Wherever LangChain wants one."""
    assert issubclass(BentoRerank, BaseDocumentCompressor)
