"""Measures agree with values computed by hand, and see the order that they are given."""

from __future__ import annotations

from math import log2

import pytest

from bentorank.evaluation.measures import compare, mean, measure_names, measure_rankings

NAMES = ("nDCG@10", "MRR@10", "recall@10", "recall@20")


def measured(qrels: dict[str, dict[str, int]], ranking: list[str]) -> dict[str, float]:
    values = measure_rankings(qrels, {"q": ranking}, NAMES)
    return {name: by_query["q"] for name, by_query in values.items()}


def test_values_of_a_small_ranking() -> None:
    """Two relevant documents of grades 2 and 1, found at ranks 3 and 2 of three."""
    values = measured({"q": {"a": 2, "b": 1, "c": 0}}, ["c", "b", "a"])
    assert values["nDCG@10"] == pytest.approx((1 / log2(3) + 2 / log2(4)) / (2 + 1 / log2(3)))
    assert values["MRR@10"] == pytest.approx(1 / 2)
    assert values["recall@10"] == 1.0


def test_what_stands_below_the_cutoff_does_not_count() -> None:
    """At rank 11 a document is outside of the first ten, and inside of the first twenty."""
    values = measured({"q": {"x": 1}}, [f"d{place}" for place in range(10)] + ["x"])
    assert values == {"nDCG@10": 0.0, "MRR@10": 0.0, "recall@10": 0.0, "recall@20": 1.0}


@pytest.mark.parametrize(("first", "second"), [("a", "z"), ("z", "a")])
def test_the_order_given_is_the_order_measured(first: str, second: str) -> None:
    """Ids that sort high or low make no difference: trec_eval's rule for ties never applies."""
    assert measured({"q": {first: 1}}, [first, second])["MRR@10"] == 1.0
    assert measured({"q": {second: 1}}, [first, second])["MRR@10"] == 0.5


def test_a_query_without_candidates_counts_as_zero() -> None:
    """An empty or absent ranking lowers the mean; an unjudged query is ignored."""
    qrels = {"found": {"a": 1}, "empty": {"a": 1}, "absent": {"a": 1}}
    values = measure_rankings(qrels, {"found": ["a"], "empty": [], "other": ["a"]}, NAMES)
    assert values["nDCG@10"] == {"found": 1.0, "empty": 0.0, "absent": 0.0}
    assert mean(values["nDCG@10"]) == pytest.approx(1 / 3)


def test_the_last_measure_is_the_ceiling_of_the_lists() -> None:
    """Recall at the depth of the candidates is named once, also for short lists."""
    assert measure_names(100) == ("nDCG@10", "MRR@10", "recall@10", "recall@100")
    assert measure_names(10) == ("nDCG@10", "MRR@10", "recall@10")


def test_a_difference_counts_wins_and_covers_its_mean() -> None:
    """Two queries better, one worse, one the same."""
    before = {"a": 0.0, "b": 0.5, "c": 1.0, "d": 0.3}
    after = {"a": 1.0, "b": 0.7, "c": 0.9, "d": 0.3}
    difference = compare(before, after)
    assert (difference.wins, difference.ties, difference.losses) == (2, 1, 1)
    assert difference.mean == pytest.approx(0.275)
    assert -0.1 <= difference.low < difference.mean < difference.high <= 1.0


def test_the_same_gain_everywhere_leaves_no_doubt() -> None:
    """Without variation the interval is a point, and a second call finds the same."""
    before = {str(query): 0.25 for query in range(20)}
    after = dict.fromkeys(before, 0.5)
    assert compare(before, after) == compare(before, after)
    assert (compare(before, after).low, compare(before, after).high) == (0.25, 0.25)
