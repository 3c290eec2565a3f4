"""What calibrates a model, and what judges it."""

from __future__ import annotations

from dataclasses import replace

from bentorank.evaluation.built_in import built_in_task
from bentorank.exporting.calibration import MOST_PAIRS, split
from bentorank.types import Pair

TASK = built_in_task()


def test_no_list_both_calibrates_and_judges() -> None:
    """Every other one, with its judgements."""
    judged_task = replace(TASK, qrels={candidates.query_id: {"p0": 1} for candidates in TASK.lists})
    pairs, judged = split(judged_task)
    assert pairs == [Pair(listed.query, passage) for listed in TASK.lists[::2] for passage in listed.passages]
    assert judged.lists == TASK.lists[1::2]
    assert list(judged.qrels) == [candidates.query_id for candidates in judged.lists]


def test_a_single_list_does_both() -> None:
    """Lists without passages are no lists."""
    empty = replace(TASK.lists[1], documents=(), passages=())
    pairs, judged = split(TASK.with_lists([TASK.lists[0], empty]))
    assert len(pairs) == len(TASK.lists[0].passages)
    assert judged.lists == TASK.lists[:1]


def test_many_pairs_are_thinned_out_over_all_lists() -> None:
    """The last list calibrates, too."""
    pairs, _ = split(TASK.with_lists(TASK.lists * 4))
    assert MOST_PAIRS / 2 < len(pairs) <= MOST_PAIRS
    assert pairs[-1].query == TASK.lists[-2].query
