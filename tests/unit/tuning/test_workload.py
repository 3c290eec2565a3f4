"""How much is measured, and what a measuring process makes of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import chain

import numpy as np

from bentorank.engines.fake import FakeEngine
from bentorank.evaluation.built_in import built_in_task
from bentorank.reranker import Reranker
from bentorank.scheduling import Scheduler, SchedulerLimits
from bentorank.tuning.measuring import measure, requests
from bentorank.tuning.workload import MIN_PAIRS, by_list, first_lists, plan_workload
from bentorank.types import Pair

TASK = built_in_task()
PAIRS = [[Pair(candidates.query, passage) for passage in candidates.passages] for candidates in TASK.lists]


def test_a_slow_model_is_measured_on_little_and_a_fast_one_on_much() -> None:
    """Never on too few to tell; the lists are repeated where time is left."""
    slow = plan_workload(TASK, pairs_per_s=0.1, seconds=60, measurements=50)
    assert (slow.pairs, slow.compared.pairs) == (MIN_PAIRS, MIN_PAIRS)
    fast = plan_workload(TASK, pairs_per_s=1000, seconds=60, measurements=50)
    assert (fast.pairs, fast.compared) == (600, TASK)


def test_judgements_of_lists_that_are_left_out_go_with_them() -> None:
    """They would count as lists without an answer."""
    judged = replace(TASK, qrels={candidates.query_id: {"p0": 1} for candidates in TASK.lists})
    first = first_lists(judged, 55)
    assert (len(first.lists), list(first.qrels)) == (6, ["q0", "q1", "q2", "q3", "q4", "q5"])


def test_requests_are_whole_lists_until_there_are_enough_pairs() -> None:
    """Empty lists are passed over, the rest repeated, the last one cut."""
    cut = list(requests([PAIRS[0], [], PAIRS[1]], 25))
    assert cut == [PAIRS[0], PAIRS[1], PAIRS[0][:5]]


def test_measured_logits_come_back_in_the_order_of_the_pairs() -> None:
    """However many requests are in flight; cut into lists again, each has its own."""
    engine = FakeEngine()
    scheduler = Scheduler(engine, SchedulerLimits(10**6, 300, 32))
    scheduler.start()
    reranker = Reranker(engine, scheduler, tokenizer_threads=2)
    try:
        measured = asyncio.run(measure(reranker, requests(PAIRS, TASK.pairs)))
    finally:
        reranker.close()
    expected = engine.forward(engine.encode(list(chain.from_iterable(PAIRS))))
    np.testing.assert_allclose(measured.logits, expected)
    assert [len(logits) for logits in by_list(TASK, measured.logits)] == [10] * 16
    assert measured.peak_mib > 10
