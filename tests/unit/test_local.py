"""LocalReranker: the shipped model in this process, under the client's interface."""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bentorank_client import APITimeoutError, BadRequestError, OverloadedError, RerankError, SupportsRerank
from support.three_models import three_models

from bentorank.errors import ConfigurationError
from bentorank.local import LocalReranker

DOCUMENTS = ["Bread needs flour.", "Owls eat mice.", "Ships carry freight."]


@pytest.fixture(scope="module")
def local():
    with LocalReranker() as reranker:
        yield reranker


def test_the_best_come_first(local):
    """With and without await; cut as asked."""
    everything = local.rerank("what do owls eat", DOCUMENTS)
    assert everything[0].index == 1
    assert everything.usage.pairs == 3
    assert asyncio.run(local.arerank("what do owls eat", DOCUMENTS, top_n=1)).results == everything[:1]
    threshold = everything[0].relevance_score
    assert local.rerank("what do owls eat", DOCUMENTS, score_threshold=threshold).results == everything[:1]
    assert local.rerank("what do owls eat", []).results == ()
    assert isinstance(local, SupportsRerank)


def test_threads_and_event_loops_share_the_model(local):
    """All get the same answer, to the thousandth of a logit by which int8 with AMX depends on its neighbours."""
    with ThreadPoolExecutor(8) as threads:
        blocking = threads.map(lambda _: local.rerank("owls", DOCUMENTS).results, range(8))
        awaited = threads.map(lambda _: asyncio.run(local.arerank("owls", DOCUMENTS)).results, range(8))
        answers = [*blocking, *awaited]
    scores = [pytest.approx(ranked.relevance_score, abs=1e-3) for ranked in answers[0]]
    for answer in answers:
        assert [ranked.index for ranked in answer] == [ranked.index for ranked in answers[0]]
        assert [ranked.relevance_score for ranked in answer] == scores


def test_it_says_what_a_service_would(local):
    """Not a ranking, but the client's error."""
    with pytest.raises(BadRequestError, match="query: must not be blank"):
        local.rerank(" ", DOCUMENTS)
    slow = LocalReranker(engine="fake", fake_batch_delay_ms=500, request_timeout_s=0.1)
    with slow, pytest.raises(APITimeoutError):
        slow.rerank("owls", DOCUMENTS)
    with pytest.raises(RerankError, match="closed"):
        slow.rerank("owls", DOCUMENTS)


def test_copies_share_the_model_and_a_pickle_loads_it(local):
    """With the same settings."""
    assert copy.copy(local) is copy.deepcopy(local) is local
    reranker = LocalReranker(engine="fake", score_mode="logit")
    with reranker, pickle.loads(pickle.dumps(reranker)) as restored:
        assert restored.rerank("owls", DOCUMENTS) == reranker.rerank("owls", DOCUMENTS)


def test_a_forked_process_is_told(local):
    """Threads do not survive a fork, and a call would hang."""
    local._process -= 1
    try:
        with pytest.raises(RuntimeError, match="make one in each process"):
            local.rerank("owls", DOCUMENTS)
    finally:
        local._process += 1


def test_settings_that_do_not_exist_are_refused():
    """By name."""
    with pytest.raises(ValueError, match="modle"):
        LocalReranker(modle="starter")


def test_closing_tells_those_who_wait():
    """Instead of leaving them to wait for ever."""
    slow = LocalReranker(engine="fake", fake_batch_delay_ms=300, max_batch_tokens=8)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(slow.rerank, "owls", DOCUMENTS * 10)
        time.sleep(0.1)
        slow.close()
        with pytest.raises(OverloadedError):
            waiting.result(timeout=5)


def test_long_documents_are_split_if_so_set():
    """`overflow` holds here as in the service: what stands past the window counts."""
    late = "filler " * 600 + "owls"
    with LocalReranker(engine="fake") as cut, LocalReranker(engine="fake", overflow="chunk") as split:
        assert cut.rerank("owls", [late])[0].truncated
        assert not split.rerank("owls", [late])[0].truncated
        assert split.rerank("owls", [late])[0].relevance_score > 0.9 > cut.rerank("owls", [late])[0].relevance_score


LATE = "filler " * 600 + "owls eat mice"


@pytest.fixture(scope="module")
def fake():
    with LocalReranker(engine="fake", max_tokens_per_doc=100, rank_fields=["title"]) as reranker:
        yield reranker


def test_a_call_may_ask_for_what_a_service_may_be_asked(fake):
    """How long documents and mappings are read, how scores are presented; and all that is said comes back."""
    cut = fake.rerank("owls", [LATE])
    assert cut[0].truncated
    assert cut.warnings == ("1 of 1 documents were longer than was to be read and were cut",)
    split = asyncio.run(fake.arerank("owls", [LATE, "Ships"], overflow="chunk", max_tokens_per_doc=0))
    best = {ranked.index: ranked for ranked in split}[0]
    assert "owls eat mice" in LATE[best.span.start : best.span.end]
    assert split.usage.pairs > 2
    assert split.timings_ms.total > 0
    with pytest.raises(BadRequestError, match=r"documents\[0\]: 60\d tokens"):
        fake.rerank("owls", [LATE], overflow="error", max_tokens_per_doc=0)
    films = [{"title": "Ships", "copy": "owls"}, {"title": "Owls", "copy": "ships"}]
    assert fake.rerank("owls", films)[0].index == 1
    assert fake.rerank("owls", films, rank_fields=["copy"], model="any")[0].index == 0
    assert fake.rerank("owls", ["owls"], score_mode="logit")[0].relevance_score > 1
    with pytest.raises(APITimeoutError):
        fake.rerank("owls", ["owls"], timeout_s=0)


def test_what_no_service_could_read_is_told_alike(fake):
    """Lone surrogates are replaced, what is no document is refused by name."""
    result = fake.rerank("owls", ["a", "cut \ud83d"])
    assert result.warnings == ("documents[1]: lone surrogates are no characters and were sent as U+FFFD",)
    for documents, named in ((["a", 3], r"documents\[1\]"), ("a", "documents"), ([{"text": "a"}], "rank_fields")):
        with pytest.raises(ValueError, match=named):
            fake.rerank("owls", documents)
    with pytest.raises(ValueError, match="overflow"):
        fake.rerank("owls", ["a"], overflow="cut")


def test_a_long_list_needs_no_splitting(fake):
    """A service's limits on a request protect it from strangers."""
    assert len(fake.rerank("owls", ["owl"] * 1500)) == 1500


def test_wrong_ways_of_reading_are_refused_at_once():
    """Like wrong settings."""
    with pytest.raises(ValueError, match="max_tokens_per_doc"):
        LocalReranker(engine="fake", max_tokens_per_doc=-1)
    with pytest.raises(ValueError, match="score_mode"):
        LocalReranker(engine="fake", score_mode="canary")


def test_what_has_no_score_stands_last_and_says_why(fake):
    """As a service would say it, for a document and for the time; by the call or by the construction."""
    documents = [{"title": "owls [[poison]]"}, {"title": "ships"}, {"title": "owls"}]
    result = fake.rerank("owls", documents, on_item_error="skip")
    assert [(ranked.index, ranked.unscored) for ranked in result] == [(2, None), (1, None), (0, "scoring_failed")]
    assert (result[2].relevance_score, result[2].score) == (float("-inf"), None)
    with pytest.raises(ValueError, match="on_item_error: must be one of error, skip"):
        fake.rerank("owls", documents, on_item_error="partial")
    slow = LocalReranker(engine="fake", fake_batch_delay_ms=200, max_batch_tokens=16, on_deadline="partial")
    with slow:
        late = slow.rerank("owls", [f"owl {number} " * 4 for number in range(40)], timeout_s=0.7, no_cache=True)
    assert late[0].unscored is None
    assert late[-1].unscored == "deadline_exceeded"


def test_fresh_scores_are_computed_anew(fake):
    """The others are remembered, as by a service."""
    for asked, cached in (({"no_store": True}, 0), ({}, 0), ({"no_cache": True}, 0), ({"no_store": True}, 0), ({}, 1)):
        assert fake.rerank("owls asked for twice", ["owls"], **asked).usage.cached_pairs == cached


def test_an_instruction_that_the_model_does_not_read_is_told(fake):
    """By a warning, as by a service; one that is set for a model which can read none is refused before a start."""
    told = ("instruction: this model reads none, and it was ignored",)
    assert fake.rerank("owls", ["owls"], instruction="Find owls.").warnings == told
    with pytest.raises(ConfigurationError, match="takes no instruction"):
        LocalReranker(instruction="Find owls.")


def test_a_document_is_cut_at_the_end_that_is_named():
    """By the call or by the construction."""
    with LocalReranker(engine="fake", truncation_side="left") as reranker:
        left, right = (reranker.rerank("owls", [LATE], **asked)[0] for asked in ({}, {"truncation_side": "right"}))
    assert left.truncated
    assert right.truncated
    assert left.relevance_score > right.relevance_score


def test_a_call_chooses_among_several_models(tmp_path):
    """By name or alias, as of a service; a component's `model` reaches it as any call's does."""
    with LocalReranker(engine="fake", models=str(three_models(tmp_path)), strict_model=True) as several:
        answered = {name: several.rerank("owls", [LATE], model=name) for name in ("big", "large", "small")}
        assert [result.model for result in answered.values()] == ["big", "big", "small"]
        assert several.rerank("owls", [LATE]).model == "big"
        for documents in ([LATE], []):
            with pytest.raises(
                BadRequestError, match="model: not served here; there are big, small, pruning"
            ) as caught:
                several.rerank("owls", documents, model="huge")
        assert (caught.value.status, caught.value.code) == (404, "model_not_found")
        big, small, pruning = several.models()
        assert (big.name, big.aliases, big.first_stages) == ("big", ("large",), ("small", "pruning"))
        assert (small.max_tokens, pruning.first_stage, pruning.keep) == (16, "small", 2)


def test_a_first_stage_prunes_what_the_model_reads(local):
    """As a call asks, or as it is set; what is pruned has no score, and is told."""
    best, *pruned = result = local.rerank("what do owls eat", DOCUMENTS, first_stage="embeddings", keep=1)
    assert best.index == 1
    assert {(ranked.score, ranked.unscored, ranked.pruned) for ranked in pruned} == {(None, "pruned", True)}
    assert (result.usage.pairs, result.usage.first_stage.pruned_documents) == (1, 2)
    assert 0 < result.timings_ms.first_stage < result.timings_ms.total
    with pytest.raises(BadRequestError, match="first_stage: not served here; there are embeddings"):
        local.rerank("owls", DOCUMENTS, first_stage="huge")
    with LocalReranker(first_stage="embeddings", keep=2) as pruning:
        set_so = asyncio.run(pruning.arerank("what do owls eat", DOCUMENTS))
        assert [ranked.pruned for ranked in set_so] == [False, False, True]
        assert set_so.warnings == ("1 of 3 documents were pruned by a first stage and have no score",)
        whole = pruning.rerank("what do owls eat", DOCUMENTS, first_stage="none")
        assert (whole.usage.first_stage, whole.timings_ms.first_stage) == (None, None)
        assert not any(ranked.pruned for ranked in whole)


def test_a_model_prunes_for_another(tmp_path):
    """By a call, or as its own setting has it."""
    documents = ["none", "alpha", "other", "beta alpha"]
    with LocalReranker(engine="fake", models=str(three_models(tmp_path))) as several:
        for asked in ({"first_stage": "small", "keep": 2}, {"model": "pruning"}):
            result = several.rerank("alpha", documents, **asked)
            assert [ranked.pruned for ranked in result] == [False, False, True, True]
            assert result.usage.first_stage.name == "small"
        assert not any(ranked.pruned for ranked in several.rerank("alpha", documents))


@pytest.mark.slow
def test_an_instruction_is_read_by_a_model_that_has_one(tmp_path):
    """As it is set, or as a call has it."""
    spec = importlib.util.spec_from_file_location("tiny_models", Path(__file__).parent / "engines" / "tiny_models.py")
    tiny_models = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny_models)
    tiny_models.build_causal(tmp_path)
    with LocalReranker(model=str(tmp_path), instruction="Find rivers.") as reranker:
        rivers = reranker.rerank("what do owls eat", DOCUMENTS)
        bread = reranker.rerank("what do owls eat", DOCUMENTS, instruction="Find bread.")
        assert bread.warnings == rivers.warnings == ()
        assert bread.usage.cached_pairs == 0
        assert bread.results != rivers.results
        named = reranker.rerank("what do owls eat", DOCUMENTS, instruction="Find rivers.")
        scores = [pytest.approx(ranked.relevance_score) for ranked in rivers]
        assert [ranked.relevance_score for ranked in named] == scores


def test_a_first_stage_prunes_here_too():
    """By the settings: what is pruned stands last, marked, and a model without word embeddings is refused."""
    with LocalReranker(engine="fake", models="big=a,small=b", first_stage="small", keep=1, cache=False) as two:
        result = two.rerank("owls eat", ["bread", "owls eat mice", "ships"])
        assert [ranked.unscored for ranked in result.results] == [None, "pruned", "pruned"]
        assert result[0].index == 1
        assert result.usage.pairs == 1
        assert {ranked.unscored for ranked in two.rerank("owls", DOCUMENTS, model="small").results} == {None}
    with pytest.raises(ConfigurationError, match="no word embeddings are to be found"):
        LocalReranker(engine="fake", first_stage="embeddings")
