"""What is reranked follows from queries, judgements and candidates, and mismatched ids are refused."""

from __future__ import annotations

import pytest

from bentorank.evaluation.collection import judged_queries, make_task
from bentorank.evaluation.errors import EvaluationError

QUERIES = {str(number): f"question {number}" for number in range(20)}
QRELS = {query: {"d": 1} for query in QUERIES}


def test_queries_without_a_relevant_document_are_left_out() -> None:
    """Unjudged, and judged with zeros only: neither can show a difference."""
    qrels = {"1": {"d": 1}, "2": {"d": 0}}
    assert list(judged_queries(QUERIES, qrels, limit=None, seed=0)) == ["1"]


def test_a_sample_is_repeatable_and_in_file_order() -> None:
    """The seed decides; a limit beyond the queries takes all."""
    sample = list(judged_queries(QUERIES, QRELS, limit=5, seed=3))
    assert sample == list(judged_queries(QUERIES, QRELS, limit=5, seed=3))
    assert sample != list(judged_queries(QUERIES, QRELS, limit=5, seed=4))
    assert sample == sorted(sample, key=int)
    assert judged_queries(QUERIES, QRELS, limit=100, seed=3) == QUERIES


def test_candidates_are_cut_and_looked_up() -> None:
    """A candidate that the corpus lacks is counted, one below top_k is not."""
    task = make_task({"a": "A", "c": "C"}, {"1": "one", "2": "two"}, QRELS, {"1": ["a", "b", "c"]}, top_k=2)
    assert task.first_stage == {"1": ["a"], "2": []}
    assert [candidates.passages for candidates in task.lists] == [("A",), ()]
    assert (task.pairs, task.missing, set(task.qrels)) == (1, 1, {"1", "2"})


@pytest.mark.parametrize(
    ("qrels", "corpus", "rankings", "problem"),
    [
        ({"x": {"a": 1}}, {"a": "A"}, {"1": ["a"]}, "no query of --queries"),
        ({"1": {"a": 1}}, {"a": "A"}, {"x": ["a"]}, "no judged query has candidates"),
        ({"1": {"a": 1}}, {"a": "A"}, {"1": ["x"]}, "no candidate is in --corpus"),
    ],
)
def test_ids_that_do_not_meet_are_refused(
    qrels: dict[str, dict[str, int]], corpus: dict[str, str], rankings: dict[str, list[str]], problem: str
) -> None:
    """Zeros everywhere would look like a bad model."""
    with pytest.raises(EvaluationError, match=problem):
        make_task(corpus, judged_queries(QUERIES, qrels, None, 0), qrels, rankings, top_k=10)
