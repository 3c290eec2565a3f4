"""Pairs to calibrate int8 with when the owner gives none: everyday English, with right and wrong answers."""

from __future__ import annotations

import json
from importlib.resources import files

from bentorank.types import Pair


def packaged_pairs() -> list[Pair]:
    """Every query of calibration.json with its own answer and with the next one's."""
    answers = json.loads(files(__package__).joinpath("calibration.json").read_text(encoding="utf-8"))
    passages = list(answers.values())
    strangers = passages[1:] + passages[:1]
    return [
        Pair(query, passage)
        for query, own, stranger in zip(answers, passages, strangers, strict=True)
        for passage in (own, stranger)
    ]
