"""Shapes of requests: how many documents, and how long they are, made of the passages that there are."""

from __future__ import annotations

import random
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from benchmarks.harness.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# With a query, about 40 tokens.
SHORT_WORDS = 20
# Enough to fill a window of 512 tokens whatever the text, and never much more.
LONG_WORDS = 500
PIECE_WORDS = (8, 80)
# Fewer, and a closed loop is mostly its own beginning and end.
REQUESTS_PER_CLIENT = 2


def as_they_are(passages: Sequence[str]) -> tuple[str, ...]:
    """Natural passages of mixed lengths."""
    return tuple(passages)


def short_pieces(passages: Sequence[str]) -> tuple[str, ...]:
    """Runs of 20 words."""
    runs = (_runs(passage.split(), lambda: SHORT_WORDS) for passage in passages)
    return tuple(run for pieces in runs for run in pieces if len(run.split()) == SHORT_WORDS)


def pieces_of_mixed_length(passages: Sequence[str]) -> tuple[str, ...]:
    """Runs of 8 to 80 words: more documents, of one passage each, than there are passages."""
    generator = random.Random(0)
    runs = (_runs(passage.split(), lambda: generator.randint(*PIECE_WORDS)) for passage in passages)
    return tuple(run for pieces in runs for run in pieces)


def long_documents(passages: Sequence[str]) -> tuple[str, ...]:
    """One document from each passage on: it and those that follow, 500 words in all."""
    words = [passage.split() for passage in passages]
    return tuple(" ".join(_from(words, start)) for start in range(len(words)))


def _from(words: Sequence[list[str]], start: int) -> list[str]:
    joined: list[str] = []
    for number in range(len(words)):
        joined += words[(start + number) % len(words)]
        if len(joined) >= LONG_WORDS:
            break
    return joined[:LONG_WORDS]


def _runs(words: list[str], length: Callable[[], int]) -> list[str]:
    runs, start = [], 0
    while start < len(words):
        stop = start + length()
        runs.append(" ".join(words[start:stop]))
        start = stop
    return runs


@dataclass(frozen=True, slots=True)
class Shape:
    """Requests of `documents` documents; `clients` are the numbers in flight that two cores answer in half a minute."""

    name: str
    documents: int
    make_documents: Callable[[Sequence[str]], tuple[str, ...]]
    clients: tuple[int, ...]

    def texts(self, texts: Texts) -> Texts:
        """The same queries with documents of this shape."""
        return Texts(texts.queries, self.make_documents(texts.passages))


def mixed(documents: int) -> Shape:
    """Natural passages, one request at a time."""
    return Shape(f"{documents:,} × mixed", documents, as_they_are, clients=(1,))


SHAPES = (
    Shape("10 × short", 10, short_pieces, clients=(1, 2, 4, 8, 16, 32)),
    Shape("50 × mixed", 50, as_they_are, clients=(1, 2, 4, 8, 16, 32)),
    Shape("100 × 512 tokens", 100, long_documents, clients=(1, 2, 4)),
    Shape("1,000 documents", 1000, pieces_of_mixed_length, clients=(1, 2, 4)),
)
# Up to the passages of the sample.
DOCUMENT_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 400)


@dataclass(frozen=True, slots=True)
class Point:
    """What is measured at once: a shape of requests, so many of them, `clients` of them in flight."""

    shape: Shape
    clients: int
    requests: int


def points(shapes: Sequence[Shape], clients: Sequence[int] | None, pairs: int) -> Iterator[Point]:
    """Every shape at its own numbers of clients, or at `clients`, with at least so many pairs and two turns each."""
    for shape in shapes:
        for number in clients or shape.clients:
            requests = max(ceil(pairs / shape.documents), REQUESTS_PER_CLIENT * number)
            yield Point(shape, number, requests)
