"""Candidates are ordered by score with ties as they came, whatever scores them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentorank.engines.fake import FakeEngine
from bentorank.evaluation.errors import EvaluationError
from bentorank.evaluation.reranking import CandidateList, order, rerank
from bentorank.evaluation.scorers import EngineScorer, Scored, forward_all
from bentorank.types import Pair

if TYPE_CHECKING:
    from collections.abc import Sequence

PASSAGES = ("bread and water", "night owls hunt mice at night", "an owl", "whales")


class PassageNumbers:
    """Scores a passage by the number that it is."""

    name = "numbers"

    def score(self, query: str, passages: Sequence[str]) -> Scored:
        del query
        return Scored(np.array([float(passage) for passage in passages]))


@given(st.lists(st.integers(-3, 3)))
def test_order_is_stable(scores: list[float]) -> None:
    """Descending, equal scores in their original order."""
    assert order(scores) == sorted(range(len(scores)), key=lambda place: -scores[place])


def test_rerank_orders_ids_and_skips_the_empty() -> None:
    """Ids follow their passages' scores; ties keep the first stage's order."""
    lists = [
        CandidateList("q", "", ("a", "b", "c", "d"), ("1", "2", "1", "3")),
        CandidateList("nothing", "", (), ()),
    ]
    assert [result.documents for result in rerank(lists, PassageNumbers())] == [["d", "b", "a", "c"], []]


def test_a_score_that_is_no_number_is_refused() -> None:
    """NaN has no place in an order."""
    with pytest.raises(EvaluationError, match="no finite score for a candidate of 'q7'"):
        list(rerank([CandidateList("q7", "", ("a",), ("nan",))], PassageNumbers()))


def test_an_error_of_the_engine_names_the_query() -> None:
    """A query that fills the window is found in the file by its id."""
    lists = [CandidateList("q7", "far too many words for this window", ("a",), PASSAGES[:1])]
    with pytest.raises(EvaluationError, match="query 'q7': the query has 7 tokens"):
        list(rerank(lists, EngineScorer(FakeEngine(max_tokens=8))))


@given(st.integers(1, 40), st.permutations(PASSAGES * 2))
def test_batching_does_not_change_scores(batch_tokens: int, passages: list[str]) -> None:
    """Every pair is scored once and lands in its place, for any budget."""
    engine = FakeEngine()
    encoded = engine.encode([Pair("night owl", passage) for passage in passages])
    alone = [engine.forward([pair])[0] for pair in encoded]
    assert forward_all(engine, encoded, batch_tokens).tolist() == alone


def test_the_engine_scorer_counts_truncated_passages() -> None:
    """What was cut is told."""
    scored = EngineScorer(FakeEngine(max_tokens=8)).score("owl", PASSAGES)
    assert scored.truncated == 0
    scored = EngineScorer(FakeEngine(max_tokens=6)).score("owl", PASSAGES)
    assert scored.truncated == 1
    assert order(scored.scores)[0] == 2
