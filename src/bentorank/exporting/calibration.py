"""The pairs that a model is calibrated on, which are none of those that judge it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bentorank.types import Pair

if TYPE_CHECKING:
    from bentorank.evaluation.collection import Task

# The starter takes a quarter of a minute for 80 pairs on two cores, a large model as many times more as it is larger.
MOST_PAIRS = 200


def split(task: Task) -> tuple[list[Pair], Task]:
    """Pairs of every other list to calibrate on, MOST_PAIRS spread over them at most, and the other lists to judge by.

    A single list does both.
    """
    lists = [candidates for candidates in task.lists if candidates.passages]
    pairs = [Pair(candidates.query, passage) for candidates in lists[::2] for passage in candidates.passages]
    return pairs[:: math.ceil(len(pairs) / MOST_PAIRS)], task.with_lists(lists[1::2] or lists)
