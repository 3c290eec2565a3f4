"""What a first stage costs and gains: nDCG@10, overlap of the ten best, and time, beside reading everything."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bentorank.errors import BentorankError
from bentorank.evaluation.errors import EvaluationError
from bentorank.evaluation.measures import CUTOFF, Difference, compare, mean, measure_rankings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bentorank.evaluation.collection import Task
    from bentorank.evaluation.formats import Rankings
    from bentorank.evaluation.reranking import CandidateList
    from bentorank.evaluation.staged import StagedRanker

WARM_UP = 10
NDCG = f"nDCG@{CUTOFF}"


@dataclass(frozen=True, slots=True)
class Quality:
    """nDCG@10 over the judged queries, and its paired difference to reading everything; None for that itself."""

    ndcg: float
    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of reading the best `keep` of each list, or all where that is None.

    `overlap` is the mean share of the ten best of reading everything that are among the ten best; `seconds` those of
    all lists; `speed` how many times as fast it was. `quality` is there where there are judgements.
    """

    keep: int | None
    overlap: float
    seconds: float
    speed: float
    quality: Quality | None = None


@dataclass(frozen=True, slots=True)
class CascadeReport:
    """A model with a first stage, by their names, on so many lists and pairs. The first of `rows` reads everything."""

    model: str
    first_stage: str
    queries: int
    pairs: int
    rows: tuple[Kept, ...]

    @property
    def ndcg_loss(self) -> dict[int, float]:
        """By `keep`, the nDCG@10 that it loses at most: the end of the 95 % interval. Needs judgements."""
        differences = {row.keep: row.quality.difference for row in self.rows if row.quality is not None}
        return {
            keep: -difference.low
            for keep, difference in differences.items()
            if keep is not None and difference is not None
        }


def measure_cascade(
    task: Task, ranker: StagedRanker, keeps: Sequence[int], told: Callable[[int], None] = lambda _: None
) -> tuple[CascadeReport, dict[int | None, Rankings]]:
    """Rank every list with each of `keeps`, and whole; and the rankings. `told` hears of the pairs of each list.

    What a busy machine slows, it slows for all: they take turns list by list. A few passages are ranked before.
    """
    choices: list[int | None] = [None, *keeps]
    rankings: dict[int | None, Rankings] = {keep: {} for keep in choices}
    seconds = dict.fromkeys(choices, 0.0)
    lists = [candidates for candidates in task.lists if candidates.passages]
    few = replace(lists[0], documents=lists[0].documents[:WARM_UP], passages=lists[0].passages[:WARM_UP])
    for keep in (None, WARM_UP // 2):
        _rank(ranker, few, keep)
    for number, candidates in enumerate(lists):
        for keep in choices[:: 1 if number % 2 == 0 else -1]:
            started = time.perf_counter()
            places = _rank(ranker, candidates, keep)
            seconds[keep] += time.perf_counter() - started
            rankings[keep][candidates.query_id] = [candidates.documents[place] for place in places]
        told(len(candidates.passages))
    whole = rankings[None]
    qualities = _qualities(task, rankings) if task.qrels else {}
    rows = [
        Kept(keep, overlap(whole, ranked), seconds[keep], seconds[None] / seconds[keep], qualities.get(keep))
        for keep, ranked in rankings.items()
    ]
    return CascadeReport(ranker.name, ranker.first_stage, len(task.lists), task.pairs, tuple(rows)), rankings


def overlap(whole: Rankings, other: Rankings) -> float:
    """The mean share of a list's ten best, or of all where it has fewer, that are among the other's."""
    shares = [
        len({*best[:CUTOFF]} & {*other[query][:CUTOFF]}) / len(best[:CUTOFF]) for query, best in whole.items() if best
    ]
    return sum(shares) / len(shares)


def _rank(ranker: StagedRanker, candidates: CandidateList, keep: int | None) -> list[int]:
    try:
        return ranker.rank(candidates.query, candidates.passages, keep)
    except BentorankError as error:
        raise EvaluationError(f"query {candidates.query_id!r}: {error}") from error


def _qualities(task: Task, rankings: dict[int | None, Rankings]) -> dict[int | None, Quality]:
    values = {keep: measure_rankings(task.qrels, ranked, [NDCG])[NDCG] for keep, ranked in rankings.items()}
    return {
        keep: Quality(mean(by_query), None if keep is None else compare(values[None], by_query))
        for keep, by_query in values.items()
    }
