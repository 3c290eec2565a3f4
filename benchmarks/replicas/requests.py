"""How many requests of which size are sent in a round."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING

from benchmarks.harness.request_sets import Request

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Shape:
    """Requests of a round, their documents, and how many words of each are kept; None keeps all."""

    requests: int
    documents: int
    words: int | None

    @property
    def distinct(self) -> int:
        """Different requests of a round; the sample has not enough text for more of them. No server remembers any."""
        return min(self.requests, 16)


def shaped(requests: Sequence[Request], shape: Shape) -> list[Request]:
    """As many as the shape wants, each cut to its words."""
    cut = [
        Request(request.query, tuple(" ".join(text.split()[: shape.words]) for text in request.documents))
        for request in requests
    ]
    return [*islice(cycle(cut), shape.requests)]
