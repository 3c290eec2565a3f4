"""What rankings are worth: nDCG, reciprocal rank and recall per query, and whether a difference is real."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bentorank.evaluation.extras import import_extra

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bentorank.evaluation.formats import Qrels

CUTOFF = 10
RESAMPLES = 10_000
TIE_WIDTH = 1e-9


def measure_names(depth: int) -> tuple[str, ...]:
    """What is reported for lists of `depth` documents; recall@depth is the ceiling that reranking has."""
    names = (f"nDCG@{CUTOFF}", f"MRR@{CUTOFF}", f"recall@{CUTOFF}")
    return names if depth <= CUTOFF else (*names, f"recall@{depth}")


def measure_rankings(
    qrels: Qrels, rankings: Mapping[str, Sequence[str]], names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Value by measure name, then by judged query. A judged query without a ranking counts as 0."""
    measures = {_measure(name): name for name in names}
    values: dict[str, dict[str, float]] = {name: dict.fromkeys(qrels, 0.0) for name in names}
    # trec_eval orders by score and breaks ties by document id; our order is by logit, ties by original index.
    # Scores that count down with the rank have no ties, so what is measured is the order that a caller gets.
    run = {
        query: {document: float(-rank) for rank, document in enumerate(ranking)}
        for query, ranking in rankings.items()
        if query in qrels
    }
    for metric in import_extra("ir_measures").iter_calc(list(measures), qrels, run):
        values[measures[metric.measure]][metric.query_id] = float(metric.value)
    return values


def mean(values: Mapping[str, float]) -> float:
    """The mean over queries."""
    return float(np.mean(list(values.values())))


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference of means, with its 95 % bootstrap interval and the queries won, tied and lost."""

    mean: float
    low: float
    high: float
    wins: int
    ties: int
    losses: int


def compare(before: Mapping[str, float], after: Mapping[str, float], seed: int = 0) -> Difference:
    """How `after` differs from `before` on the same queries: percentiles of 10,000 paired bootstrap means."""
    deltas = np.array([after[query] - value for query, value in before.items()])
    random = np.random.default_rng(seed)
    # One resample at a time: all at once would take RESAMPLES x queries of memory.
    means = [random.choice(deltas, len(deltas)).mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    wins, losses = int((deltas > TIE_WIDTH).sum()), int((deltas < -TIE_WIDTH).sum())
    ties = len(deltas) - wins - losses
    return Difference(float(deltas.mean()), float(low), float(high), wins, ties, losses)


def _measure(name: str) -> object:
    measures = import_extra("ir_measures")
    kind, _, cutoff = name.partition("@")
    return {"nDCG": measures.nDCG, "MRR": measures.RR, "recall": measures.R}[kind] @ int(cutoff)
