"""What goes into a rerank and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """A query and its candidates."""

    query: str = field(repr=False)
    documents: Sequence[str] = field(repr=False)
    top_n: int | None = None
    """How many to return; all unless set."""
    score_threshold: float | None = None
    """Leave out documents that score lower."""

    def __post_init__(self) -> None:
        if isinstance(self.documents, str):
            raise ValueError("documents: must be a list of texts, not one text")  # noqa: TRY004 - like all bad arguments
        if self.top_n is not None and self.top_n < 1:
            raise ValueError("top_n: must be at least 1, or None for all")


@dataclass(frozen=True, slots=True)
class RankedDocument:
    """A document in its place. `index` is its position in the call."""

    index: int
    relevance_score: float | None
    """A probability unless another score mode was asked for; None where nothing was scored (a degraded result)."""
    truncated: bool = False
    """Whether the model read only the beginning of the document."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the rerank cost the service."""

    total_tokens: int = 0
    pairs: int = 0
    cached_pairs: int = 0
    truncated_documents: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.total_tokens + other.total_tokens,
            self.pairs + other.pairs,
            self.cached_pairs + other.cached_pairs,
            self.truncated_documents + other.truncated_documents,
        )


@dataclass(frozen=True, slots=True)
class RerankResult:
    """Documents in order of relevance, best first; a sequence of them."""

    results: tuple[RankedDocument, ...]
    model: str | None = None
    usage: Usage = Usage()
    request_id: str | None = None
    degraded: bool = False
    """Whether the service failed and this is the order that came in, without scores."""
    degraded_reason: str | None = None

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[RankedDocument]:
        return iter(self.results)

    @overload
    def __getitem__(self, place: int) -> RankedDocument: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[RankedDocument, ...]: ...
    def __getitem__(self, place: int | slice) -> RankedDocument | tuple[RankedDocument, ...]:
        return self.results[place]
