"""Deterministic rerank requests of real text, in which no (query, passage) pair occurs twice."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness.texts import Texts


@dataclass(frozen=True, slots=True)
class Request:
    """A query with its candidate passages."""

    query: str
    documents: tuple[str, ...]


def distinct_requests(texts: Texts, documents: int, seed: int) -> Iterator[Request]:
    """Requests of `documents` passages each, until the pairs run out.

    A pair comes once only, so that a server that caches scores gains nothing, however many rounds are measured.
    """
    generator = random.Random(seed)
    requests = [
        Request(query, tuple(shuffled[start : start + documents]))
        for query in texts.queries
        for shuffled in [generator.sample(texts.passages, len(texts.passages))]
        for start in range(0, len(shuffled) - documents + 1, documents)
    ]
    generator.shuffle(requests)
    yield from requests


def rounds_of_requests(texts: Texts, *, rounds: int, requests: int, documents: int, seed: int) -> list[list[Request]]:
    """`rounds` lists of `requests` different requests. Raises ValueError when there is too little text."""
    source = list(distinct_requests(texts, documents, seed))
    if len(source) < rounds * requests:
        raise ValueError(f"the texts make {len(source)} requests of {documents}, not {rounds} x {requests}")
    return [source[number * requests : (number + 1) * requests] for number in range(rounds)]
