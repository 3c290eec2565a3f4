"""How much is scored to measure a candidate: enough to tell, and no more than the time allows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bentorank.evaluation.collection import Task

MIN_PAIRS = 40
# Of the time: for comparing with f32, and for rounds; the rest goes into loading and warming up.
AGREEMENT_SHARE = 0.1
ROUNDS_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Workload:
    """`compared` is what agreement is measured on, `pairs` what is scored in each round, from the same lists."""

    compared: Task
    pairs: int


def plan_workload(task: Task, pairs_per_s: float, seconds: float, measurements: int) -> Workload:
    """For a default of this speed, `seconds` in all and so many measurements in rounds."""
    pairs = int(pairs_per_s * seconds * ROUNDS_SHARE / measurements)
    return Workload(first_lists(task, int(pairs_per_s * seconds * AGREEMENT_SHARE)), max(MIN_PAIRS, pairs))


def first_lists(task: Task, pairs: int) -> Task:
    """As many whole lists as have so many pairs, but at least MIN_PAIRS, if there are."""
    sums = accumulate(len(candidates.passages) for candidates in task.lists)
    count = next((place for place, total in enumerate(sums, start=1) if total >= max(MIN_PAIRS, pairs)), None)
    return task.with_lists(task.lists[:count])


def write_lists(task: Task, path: Path) -> None:
    """What a measuring process reads."""
    lists = [[(candidates.query, passage) for passage in candidates.passages] for candidates in task.lists]
    path.write_text(json.dumps(lists), encoding="utf-8")


def by_list(task: Task, logits: Sequence[float]) -> list[NDArray[np.float64]]:
    """Logits of all pairs in a row, cut into those of each list."""
    ends = list(accumulate(len(candidates.passages) for candidates in task.lists))
    return np.split(np.asarray(logits, dtype=np.float64), ends[:-1])
