"""Which candidate wins. Pure: rounds in, a choice out."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.evaluation.agreement import Agreement
    from bentorank.tuning.candidates import Candidate

# In three rounds one of two equals is ahead every time by a chance of one in eight; the gain and a duel afterwards make
# it a small one.
MIN_ROUNDS = 3
# Less is not worth a setting that somebody must look after.
MIN_GAIN = 1.03


@dataclass(frozen=True, slots=True)
class Result:
    """A candidate's throughput in each round, in pairs/s. `objection` says why it does not agree with f32, if so."""

    candidate: Candidate
    pairs_per_s: tuple[float, ...]
    agreement: Agreement
    objection: str | None
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and range over the rounds."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Of one value a round."""
    return Spread(median(values), min(values), max(values))


def ratio(result: Result, other: Result) -> Spread:
    """How many times as fast as the other, round by round: what slows a whole round down slows both."""
    return spread([mine / its for mine, its in zip(result.pairs_per_s, other.pairs_per_s, strict=True)])


def is_faster(result: Result, other: Result) -> bool:
    """Whether it was ahead in every one of enough rounds, and by a gain that matters."""
    if len(result.pairs_per_s) < MIN_ROUNDS:
        return False
    gain = ratio(result, other)
    return gain.low > 1 and gain.median >= MIN_GAIN


def choose(incumbent: Result, others: Sequence[Result]) -> Result:
    """The fastest of those that agree with f32 and are faster than the incumbent by more than noise, or the incumbent.

    An incumbent that disagrees gives way to the fastest that agrees, faster or not.
    """
    agreeing = [result for result in others if result.objection is None]
    better = agreeing if incumbent.objection else [result for result in agreeing if is_faster(result, incumbent)]
    return max(better, key=lambda result: ratio(result, incumbent).median, default=incumbent)
