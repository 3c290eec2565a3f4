"""Reranks candidate lists with a scorer, one query at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bentorank.errors import BentorankError
from bentorank.evaluation.errors import EvaluationError
from bentorank.evaluation.scorers import Scored
from bentorank.ranking import is_empty

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from bentorank.evaluation.scorers import Scorer


@dataclass(frozen=True, slots=True)
class CandidateList:
    """A query with its candidates in first-stage order; `documents` are the ids of `passages`."""

    query_id: str
    query: str
    documents: tuple[str, ...]
    passages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RerankedList:
    """A query's documents in the scorer's order, best first."""

    query_id: str
    documents: list[str]
    truncated: int


def order(scores: Sequence[float] | NDArray[np.float64]) -> list[int]:
    """Positions by descending score; ties keep the order that they came in."""
    return [int(place) for place in np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")]


def rerank(lists: Iterable[CandidateList], scorer: Scorer) -> Iterator[RerankedList]:
    """Rerank list by list, so that the caller can show progress. A query without candidates stays empty."""
    for candidates in lists:
        scored = score_list(candidates, scorer)
        # As the service ranks: a document without text stands last.
        empty = [is_empty(passage) for passage in candidates.passages]
        scores = np.where(empty, -np.inf, scored.scores)
        documents = [candidates.documents[place] for place in order(scores)]
        yield RerankedList(candidates.query_id, documents, scored.truncated)


def score_list(candidates: CandidateList, scorer: Scorer) -> Scored:
    """Scores of a query's candidates. Raises EvaluationError, which names the query, unless all are finite."""
    if not candidates.passages:
        return Scored(np.empty(0))
    try:
        scored = scorer.score(candidates.query, candidates.passages)
    except BentorankError as error:
        raise EvaluationError(f"query {candidates.query_id!r}: {error}") from error
    if not np.isfinite(scored.scores).all():
        raise EvaluationError(f"{scorer.name}: no finite score for a candidate of {candidates.query_id!r}")
    return scored
