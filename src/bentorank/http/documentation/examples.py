"""Requests that the documentation shows, and the answers that the shipped model gave to them.

The first of each body stands with the body's own class. `docs/record_answers.py` writes the answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import BaseModel

ANSWERS = Path(__file__).parent / "static" / "answers.json"

_EVEREST = "Mount Everest rises 8,849 m above sea level."
# What a page has around the sentence that matters.
_CHAPTER = "Kangchenjunga lies in Nepal. " * 60 + f"{_EVEREST} " + "Lhotse lies beside it. " * 60

PLAIN: dict[str, Any] = {
    "query": "how tall is mount everest",
    "documents": ["K2 lies on the border of Pakistan and China.", _EVEREST, "Bread is baked from flour."],
}
# Beside the one that each body has, by path. The first is what a reader sees first.
FIRST = {"/rerank": {"Texts": PLAIN}}
FURTHER = {
    "/rerank": {
        "Logits above a threshold": {**PLAIN, "score_mode": "logit", "score_threshold": 0},
        "A long document in chunks": {
            "query": PLAIN["query"],
            "documents": [_CHAPTER],
            "overflow": "chunk",
            "return_documents": False,
        },
        "What is ready in time": {**PLAIN, "deadline_ms": 5000, "on_deadline": "partial"},
    }
}
PAIRS = {"pairs": [{"query": PLAIN["query"], "passage": passage} for passage in PLAIN["documents"]]}


@dataclass(frozen=True, slots=True)
class Example:
    """A body that works, under a name."""

    name: str
    body: Any


def requests_to(path: str, bodies: Sequence[type[BaseModel]]) -> Iterator[Example]:
    """The examples of `path`, the plainest first."""
    for name, body in FIRST.get(path, {}).items():
        yield Example(name, body)
    for model in bodies:
        name = str(model.model_config.get("title", model.__name__))
        for body in model.model_json_schema()["examples"]:
            yield Example("Objects with metadata" if name == "Native" else name, body)
    for name, body in FURTHER.get(path, {}).items():
        yield Example(name, body)


def answers_to(method: str, path: str) -> Mapping[str, Any]:
    """What was answered to the examples of that operation, by their names."""
    return cast("Mapping[str, Any]", _recorded().get(f"{method} {path}", {}))


@cache
def _recorded() -> dict[str, Any]:
    return cast("dict[str, Any]", orjson.loads(ANSWERS.read_bytes())) if ANSWERS.exists() else {}
