"""When tuning proposes a first stage: never on hope."""

from __future__ import annotations

import pytest

from bentorank.errors import CommandError
from bentorank.evaluation.built_in import built_in_task
from bentorank.evaluation.cascade import CascadeReport, Kept, Quality
from bentorank.evaluation.collection import Task
from bentorank.evaluation.measures import Difference
from bentorank.evaluation.reranking import CandidateList
from bentorank.tuning.first_stage import keeps_for, propose


def row(keep: int, *, mean: float, low: float, speed: float) -> Kept:
    return Kept(keep, 0.9, 1.0, speed, Quality(0.7 + mean, Difference(mean, low, 0.01, 1, 8, 1)))


def report(*rows: Kept) -> CascadeReport:
    return CascadeReport("big", "embeddings", 10, 1000, (Kept(None, 1.0, 3.0, 1.0, Quality(0.7)), *rows))


def test_the_fastest_that_loses_little_for_certain_is_proposed() -> None:
    """By the end of the interval, not by the mean, which may be luck."""
    lucky = row(10, mean=0.002, low=-0.02, speed=4.0)
    safe, safer = row(30, mean=-0.001, low=-0.004, speed=2.5), row(50, mean=0.0, low=-0.001, speed=1.8)
    proposal = propose(report(lucky, safe, safer), 0.005)
    assert proposal.settings == (("first_stage", "embeddings"), ("keep", "30"))
    assert "2.50 times as fast as reading all, at most 0.0040 of nDCG@10 lost" in proposal.sentence


def test_none_is_proposed_that_loses_more_or_gains_nothing() -> None:
    """And the sentence says so."""
    proposal = propose(report(row(10, mean=0.0, low=-0.02, speed=4.0), row(50, mean=0.0, low=0.0, speed=1.01)), 0.005)
    assert proposal.settings == ()
    assert proposal.sentence.startswith("No first stage: ")


def test_without_judgements_or_with_short_lists_nothing_is_measured() -> None:
    """Told before the search, not after it."""
    with pytest.raises(CommandError, match="takes judgements"):
        keeps_for(built_in_task())
    lists = tuple(CandidateList(f"q{n}", "owls", ("a",) * n, ("owls",) * n) for n in (19, 40))
    assert keeps_for(Task(lists, {"q40": {"a": 1}}, 0)) == (10, 20)
    with pytest.raises(CommandError, match="raise --top-k"):
        keeps_for(Task(lists[:1], {"q19": {"a": 1}}, 0))
