"""Whether two scorings rank alike: measures against known values, and what is objected to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bentorank.evaluation.agreement import Agreement, NdcgChange, Tolerance, kendall_tau, measure_agreement
from bentorank.evaluation.built_in import built_in_task
from bentorank.evaluation.collection import Task
from bentorank.evaluation.measures import Difference
from bentorank.evaluation.reranking import CandidateList

LISTS = (
    CandidateList("q1", "owls", ("a", "b", "c"), ("x", "y", "z")),
    CandidateList("empty", "krill", (), ()),
    CandidateList("q2", "whales", ("a", "d"), ("x", "w")),
)
BEFORE = [np.array([3.0, 1.0, 2.0]), np.empty(0), np.array([0.0, 1.0])]
SWAPPED = [np.array([1.0, 3.0, 2.0]), np.empty(0), np.array([0.0, 1.0])]


def agreement_of(correlation: float, ndcg_gain: float | None = None) -> Agreement:
    change = None if ndcg_gain is None else NdcgChange(0.5, 0.5 + ndcg_gain, Difference(ndcg_gain, -1, 1, 0, 0, 0))
    return Agreement(10, correlation, 0.0, 0.0, 1.0, 1.0, change)


def test_a_scoring_agrees_with_itself() -> None:
    """Ones and zeros, empty lists left out."""
    assert measure_agreement(Task(LISTS, {}, 0), BEFORE, BEFORE) == Agreement(5, pytest.approx(1.0), 0.0, 0.0, 1.0, 1.0)


def test_every_measure_sees_a_difference() -> None:
    """One list turned round, one as it was; the judged answer falls from the first to the third place."""
    task = Task(LISTS, {"q1": {"a": 1}}, 0)
    agreement = measure_agreement(task, BEFORE, SWAPPED)
    assert agreement.correlation < 1
    assert (agreement.mean_difference, agreement.max_difference) == (pytest.approx(4 / 5), 2.0)
    assert (agreement.kendall_tau, agreement.same_first) == (0.0, 0.5)
    assert agreement.ndcg is not None
    assert (agreement.ndcg.before, agreement.ndcg.after) == (1.0, 0.5)
    assert agreement.ndcg.difference.mean == -0.5


def test_a_model_that_scores_all_alike_correlates_with_nothing() -> None:
    """NaN, without a warning of numpy's."""
    constant = [np.zeros_like(scores) for scores in BEFORE]
    assert math.isnan(measure_agreement(Task(LISTS, {}, 0), BEFORE, constant).correlation)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=12))
def test_kendalls_tau_is_scipys(scores: list[tuple[int, int]]) -> None:
    """Where scipy defines it."""
    before, after = (np.array(side, dtype=np.float64) for side in zip(*scores, strict=True))
    expected = stats.kendalltau(before, after).statistic
    ours = kendall_tau(before, after)
    assert ours == pytest.approx(expected) if not math.isnan(expected) else ours in {0.0, 1.0}


@pytest.mark.parametrize(
    ("agreement", "objection"),
    [
        (agreement_of(0.99), None),
        (agreement_of(0.9899), "correlate by 0.9899"),
        (agreement_of(math.nan), "correlate by nan"),
        (agreement_of(1.0, -0.005), None),
        (agreement_of(1.0, -0.0051), "loses 0.0051 of nDCG@10"),
        (agreement_of(1.0, 0.2), None),
    ],
)
def test_what_ranks_otherwise_is_objected_to(agreement: Agreement, objection: str | None) -> None:
    """At the default tolerance, .99 and .005."""
    said = Tolerance().objection(agreement)
    assert (said is None) if objection is None else objection in (said or "")


def test_the_built_in_texts_are_a_natural_mix() -> None:
    """Sixteen lists of ten distinct passages, from a line to a page."""
    task = built_in_task()
    assert [len(set(candidates.passages)) for candidates in task.lists] == [10] * 16
    words = sorted(len(passage.split()) for candidates in task.lists for passage in candidates.passages)
    assert words[0] < 50
    assert words[-1] > 300
    assert built_in_task(3).lists == task.lists[:3]
