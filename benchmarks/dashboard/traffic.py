"""What is sent: callers of every API who ask for popular things, and some of everything that goes wrong."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness.texts import Texts

# Words that a passage keeps, so that two cores rank some requests a second; one in so many stays as long as three.
WORDS, LONG_EVERY = 60, 12
QUERIES, CANDIDATES = 60, 40
SIZES = {1: 15, 5: 35, 10: 35, 20: 15}
HURRY_MS = 1.0
PATIENT_MS = 10_000.0
# How many in a hundred are of each kind; the rest are ordinary.
ODD: dict[str, float] = {
    "blank query": 2,
    "no JSON": 1,
    "unknown path": 2,
    "no such method": 1,
    "too many documents": 1,
    "in a hurry": 0.1,
    "part will do": 3,
    "hangs up": 1,
    "empty documents": 3,
    "overlong": 1,
}


@dataclass(frozen=True, slots=True)
class Sent:
    """One request; who `hangs_up` reads no answer."""

    path: str
    body: bytes
    method: str = "POST"
    hangs_up: bool = False


class Callers:
    """Makes requests without end. Popular queries come more often, and a query finds about the same documents."""

    def __init__(self, texts: Texts, seed: int) -> None:
        self._random = random.Random(seed)
        self._queries = texts.queries[:QUERIES]
        self._found = {query: self._random.sample(texts.passages, CANDIDATES) for query in self._queries}
        self._popularity = [1 / (place + 1) for place in range(len(self._queries))]

    def __iter__(self) -> Iterator[Sent]:
        while True:
            kind = self._kind()
            yield _ODD_REQUESTS[kind](self) if kind else self._ordinary()

    def _kind(self) -> str | None:
        lot = self._random.uniform(0, 100)
        for kind, share in ODD.items():
            lot -= share
            if lot < 0:
                return kind
        return None

    def asked(self) -> tuple[str, list[str]]:
        """A query and some of the documents that it finds."""
        (query,) = self._random.choices(self._queries, self._popularity)
        (size,) = self._random.choices([*SIZES], [*SIZES.values()])
        return query, [self._length(text) for text in self._random.sample(self._found[query], size)]

    def _length(self, text: str) -> str:
        if self._random.randrange(LONG_EVERY) == 0:
            return " ".join([text] * 3)
        return " ".join(text.split()[:WORDS])

    def _ordinary(self) -> Sent:
        """In one API or another."""
        query, documents = self.asked()
        path, body = self._random.choice(_DIALECTS)(query, documents)
        return _sent(path, body)

    def native(self, documents: list[Any] | None = None, **more: object) -> Sent:
        """In our own API, with `documents` in the place of what the query finds, if given."""
        query, asked = self.asked()
        return _sent("/rerank", {"query": query, "documents": asked if documents is None else documents, **more})


def _sent(path: str, body: object, **more: Any) -> Sent:  # noqa: ANN401 - fields of Sent
    return Sent(path, orjson.dumps(body), **more)


def _pairs(query: str, documents: list[str]) -> list[dict[str, str]]:
    return [{"query": query, "passage": document} for document in documents[:5]]


_DIALECTS: list[Callable[[str, list[str]], tuple[str, object]]] = [
    lambda query, documents: ("/rerank", {"query": query, "documents": documents}),
    lambda query, documents: ("/rerank", {"query": query, "documents": documents}),
    lambda query, documents: ("/v1/rerank", {"model": "any", "query": query, "documents": documents}),
    lambda query, documents: ("/v2/rerank", {"model": "any", "query": query, "documents": documents}),
    lambda query, documents: ("/rerank", {"query": query, "texts": documents}),
    lambda query, documents: ("/v1/ranking", {"query": {"text": query}, "passages": [{"text": d} for d in documents]}),
    lambda query, documents: ("/rerank/batch", [{"query": query, "documents": documents[:3]}] * 2),
    lambda query, documents: ("/score", {"text_1": query, "text_2": documents[:5]}),
    lambda query, documents: ("/bentoml/score", {"pairs": _pairs(query, documents)}),
]
_ODD_REQUESTS: dict[str, Callable[[Callers], Sent]] = {
    "blank query": lambda _: _sent("/rerank", {"query": " ", "documents": ["a"]}),
    "no JSON": lambda _: Sent("/rerank", b'{"query": "a", "documents": ['),
    "unknown path": lambda _: _sent("/v3/rerank", {}),
    "no such method": lambda _: _sent("/rerank", {}, method="PUT"),
    "too many documents": lambda _: _sent("/rerank", {"query": "a", "documents": ["b"] * 1_001}),
    "in a hurry": lambda callers: callers.native(deadline_ms=HURRY_MS),
    "part will do": lambda callers: callers.native(deadline_ms=60, on_deadline="partial"),
    "hangs up": lambda callers: _sent("/rerank", {"query": "a", "documents": callers.asked()[1]}, hangs_up=True),
    "empty documents": lambda callers: callers.native(documents=["", " ", *callers.asked()[1]]),
    "overlong": lambda callers: callers.native(overflow="error", documents=["word " * 2_000]),
}
