"""Ranks with a first stage before the model, or without: in this process, or by a running server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from bentorank.cascade.cut import cut_after
from bentorank.cascade.embeddings import sift_by_words
from bentorank.cascade.first_stage import EMBEDDINGS, NO_FIRST_STAGE, Sifted
from bentorank.evaluation.reranking import order
from bentorank.ranking import is_empty
from bentorank.types import Cascade, LengthPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.engines.protocol import Engine
    from bentorank.engines.word_table import WordTable
    from bentorank.evaluation.scorers import Scorer, ServerScorer


class StagedRanker(Protocol):
    """Ranks with a first stage, by `first_stage`'s name, and a model's, by `name`."""

    name: str
    first_stage: str

    def rank(self, query: str, passages: Sequence[str], keep: int | None) -> list[int]:
        """Places of all passages, best first; the model reads all of them, or the first stage's best `keep`.

        May raise EvaluationError.
        """
        ...


class Sifter(Protocol):
    """The first stage alone."""

    name: str

    def sift(self, query: str, passages: Sequence[str]) -> Sifted:
        """Score every passage."""
        ...


class WordSifter:
    """By the model's own word embeddings."""

    name = EMBEDDINGS

    def __init__(self, engine: Engine, table: WordTable) -> None:
        self._engine = engine
        self._table = table

    def sift(self, query: str, passages: Sequence[str]) -> Sifted:
        """Score every passage."""
        return sift_by_words(self._engine, self._table, query, passages, LengthPolicy())


class ModelSifter:
    """By another model."""

    def __init__(self, scorer: Scorer) -> None:
        self.name = scorer.name
        self._scorer = scorer

    def sift(self, query: str, passages: Sequence[str]) -> Sifted:
        """Score every passage."""
        scores = self._scorer.score(query, passages).scores
        return Sifted([float(score) if np.isfinite(score) else None for score in scores], len(passages), 0)


class EngineStages:
    """Both stages in this process, without HTTP and queue."""

    def __init__(self, scorer: Scorer, sifter: Sifter) -> None:
        self.name = scorer.name
        self.first_stage = sifter.name
        self._scorer = scorer
        self._sifter = sifter

    def rank(self, query: str, passages: Sequence[str], keep: int | None) -> list[int]:
        """Places of all passages, best first: those that the model read, the empty ones, those that it did not."""
        places = [place for place, passage in enumerate(passages) if not is_empty(passage)]
        empty = [place for place, passage in enumerate(passages) if is_empty(passage)]
        kept, pruned = places, list[int]()
        if keep is not None and keep < len(places):
            sifted = self._sifter.sift(query, [passages[place] for place in places])
            cut = cut_after(Cascade(self.first_stage, keep), len(passages), places, sifted)
            kept, pruned = sorted({*cut.kept} & {*places}), [*cut.pruned]
        scores = self._scorer.score(query, [passages[place] for place in kept]).scores if kept else ()
        return [*(kept[rank] for rank in order(scores)), *empty, *pruned]


class ServerStages:
    """Both stages by `POST /rerank` of a running server, which is asked to remember nothing."""

    def __init__(self, server: ServerScorer, first_stage: str) -> None:
        self.name = server.name
        self.first_stage = first_stage
        self._server = server

    def rank(self, query: str, passages: Sequence[str], keep: int | None) -> list[int]:
        """Places of all passages, in the order of the answer."""
        asked = {"first_stage": NO_FIRST_STAGE} if keep is None else {"first_stage": self.first_stage, "keep": keep}
        return self._server.order(query, passages, asked)
