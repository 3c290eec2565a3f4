"""What is sent: ordinary requests of mixed sizes, and among them a few that go wrong, each in a way of its own."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness.texts import Texts

# Documents of a request, and how many requests in a hundred have so many.
SIZES = {1: 15, 5: 25, 10: 25, 20: 20, 50: 10, 100: 5}
MEAN_DOCUMENTS = sum(size * share for size, share in SIZES.items()) / sum(SIZES.values())
# More than a document may have, unless the service is set up otherwise.
OVERLONG_CHARS = 300_000


class Kind(StrEnum):
    """What is wrong with a request; nothing with an ordinary one."""

    ORDINARY = "ordinary"
    POISON = "a document that cannot be scored"
    DISCONNECT = "the caller hangs up"
    MALFORMED = "a body that is no JSON"
    HURRIED = "a deadline of a millisecond"


FAULTS = tuple(kind for kind in Kind if kind is not Kind.ORDINARY)
# The statuses that each may end with; who hangs up sees none.
EXPECTED = {
    Kind.ORDINARY: {"200", "429"},
    Kind.POISON: {"500", "413"},
    Kind.DISCONNECT: {"left", "200"},
    Kind.MALFORMED: {"400"},
    Kind.HURRIED: {"504", "429", "200"},
}


@dataclass(frozen=True, slots=True)
class Sent:
    """A body, and what is wrong with it."""

    kind: Kind
    body: bytes
    documents: int


def traffic(texts: Texts, *, fault_share: float, words: int | None, seed: int) -> Iterator[Sent]:
    """Requests without end, no two alike; passages keep their first `words` words. The same seed makes the same."""
    generator = random.Random(seed)
    passages = [" ".join(text.split()[:words]) for text in texts.passages]
    sizes, weights = list(SIZES), list(SIZES.values())
    faults = 0
    for number in count():
        documents = generator.sample(passages, generator.choices(sizes, weights)[0])
        kind = Kind.ORDINARY
        if generator.random() < fault_share:
            kind, faults = FAULTS[faults % len(FAULTS)], faults + 1
        yield Sent(kind, _body(kind, f"{generator.choice(texts.queries)} {number}", documents, words), len(documents))


def _body(kind: Kind, query: str, documents: list[str], words: int | None) -> bytes:
    if kind is Kind.POISON:
        # The marker means something to the fake engine alone, which is the one that gets shortened texts.
        documents = [*documents[1:], "[[poison]]" if words else "x" * OVERLONG_CHARS]
    body = orjson.dumps({"query": query, "documents": documents})
    return body[:-2] if kind is Kind.MALFORMED else body
