"""Whether a model that computes less exactly still ranks as the one that it stands for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bentorank.evaluation.measures import CUTOFF, Difference, compare, mean, measure_rankings
from bentorank.evaluation.reranking import order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bentorank.evaluation.collection import Task
    from bentorank.evaluation.formats import Rankings

NDCG = f"nDCG@{CUTOFF}"


@dataclass(frozen=True, slots=True)
class NdcgChange:
    """Means of nDCG@10 over the judged queries, by the reference and by the other, with their paired difference."""

    before: float
    after: float
    difference: Difference


@dataclass(frozen=True, slots=True)
class Agreement:
    """Logits of the same pairs, of a reference and of another scoring.

    `correlation` is Pearson's over all pairs, NaN where either scores all alike; differences are of logits, absolute.
    `kendall_tau` is tau-b (https://en.wikipedia.org/wiki/Kendall_rank_correlation_coefficient), its mean over lists;
    `same_first` the share of lists whose best passage stays. `ndcg` is there where there are judgements.
    """

    pairs: int
    correlation: float
    mean_difference: float
    max_difference: float
    kendall_tau: float
    same_first: float
    ndcg: NdcgChange | None = None


def measure_agreement(
    task: Task, reference: Sequence[NDArray[np.float64]], other: Sequence[NDArray[np.float64]]
) -> Agreement:
    """Compare two scorings of the lists of `task`: a float array (passages,) for each list, the empty ones too."""
    scored = [(before, after) for before, after in zip(reference, other, strict=True) if len(before)]
    before, after = (np.concatenate(side) for side in zip(*scored, strict=True))
    return Agreement(
        pairs=len(before),
        correlation=_correlation(before, after),
        mean_difference=float(np.abs(after - before).mean()),
        max_difference=float(np.abs(after - before).max()),
        kendall_tau=float(np.mean([kendall_tau(*both) for both in scored])),
        same_first=float(np.mean([np.argmax(before) == np.argmax(after) for before, after in scored])),
        ndcg=_ndcg_change(task, reference, other) if task.qrels else None,
    )


def kendall_tau(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Tau-b of two scorings of one list; 1 where neither orders anything."""
    signs_before, signs_after = (np.sign(scores[:, None] - scores[None, :]) for scores in (before, after))
    ordered = math.sqrt(float((signs_before**2).sum()) * float((signs_after**2).sum()))
    if ordered == 0:
        return float(signs_before.any() == signs_after.any())
    return float((signs_before * signs_after).sum()) / ordered


def _correlation(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    if not before.std() or not after.std():
        return math.nan
    return float(np.corrcoef(before, after)[0, 1])


def _ndcg_change(
    task: Task, reference: Sequence[NDArray[np.float64]], other: Sequence[NDArray[np.float64]]
) -> NdcgChange:
    before, after = (
        measure_rankings(task.qrels, _rankings(task, scores), [NDCG])[NDCG] for scores in (reference, other)
    )
    return NdcgChange(mean(before), mean(after), compare(before, after))


def _rankings(task: Task, scores: Sequence[NDArray[np.float64]]) -> Rankings:
    return {
        candidates.query_id: [candidates.documents[place] for place in order(logits)]
        for candidates, logits in zip(task.lists, scores, strict=True)
    }


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a model may be from its reference before it counts as another model."""

    min_correlation: float = 0.99
    max_ndcg_loss: float = 0.005

    def objection(self, agreement: Agreement) -> str | None:
        """What is wrong, as the predicate of a sentence; None if the two rank alike."""
        # So put that NaN is an objection.
        if not agreement.correlation >= self.min_correlation:
            return (
                f"has logits that correlate by {agreement.correlation:.4f} with f32's, less than {self.min_correlation}"
            )
        if agreement.ndcg is not None and -agreement.ndcg.difference.mean > self.max_ndcg_loss:
            loss = -agreement.ndcg.difference.mean
            return f"loses {loss:.4f} of {NDCG} against f32, more than {self.max_ndcg_loss}"
        return None


@dataclass(frozen=True, slots=True)
class AgreementCheck:
    """What a model is compared with its reference on, and how far it may be from it."""

    task: Task
    tolerance: Tolerance
