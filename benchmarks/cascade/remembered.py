"""Logits that are kept in a file, so that a run which was cut off goes on."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

from bentorank.evaluation.scorers import Scored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bentorank.cascade.first_stage import Sifted
    from bentorank.evaluation.scorers import EngineScorer
    from bentorank.evaluation.staged import Sifter


class RememberingScorer:
    """Scores a list as `scorer` does, and no pair twice; the file's name tells one model and precision from others."""

    def __init__(self, scorer: EngineScorer, folder: Path) -> None:
        info = scorer.engine.info
        self.name = scorer.name
        self._scorer = scorer
        self._path = folder / f"{hashlib.sha256(info.fingerprint.encode()).hexdigest()[:16]}.jsonl"
        self._logits: dict[str, float] = {}
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                self._logits |= json.loads(line)

    def score(self, query: str, passages: Sequence[str]) -> Scored:
        """Logits, in the order of the passages."""
        keys = [pair_digest(query, passage) for passage in passages]
        new = {key: passage for key, passage in zip(keys, passages, strict=True) if key not in self._logits}
        if new:
            scores = self._scorer.score(query, list(new.values())).scores
            found = dict(zip(new, (float(score) for score in scores), strict=True))
            self._logits |= found
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")
        return Scored(np.array([self._logits[key] for key in keys]))


class RememberingSifter:
    """Sifts a list as `sifter` does, and the same list only once in a row: for quality, not for time."""

    def __init__(self, sifter: Sifter) -> None:
        self.name = sifter.name
        self._sifter = sifter
        self._last: tuple[tuple[str, list[str]], Sifted] | None = None

    def sift(self, query: str, passages: Sequence[str]) -> Sifted:
        """Score every passage."""
        asked = (query, [*passages])  # a list is warmed up for with some of its passages
        if self._last is None or self._last[0] != asked:
            self._last = (asked, self._sifter.sift(query, passages))
        return self._last[1]


def pair_digest(query: str, passage: str) -> str:
    """What a pair is remembered by."""
    return hashlib.sha256(f"{query}\0{passage}".encode()).hexdigest()[:24]
