"""What a score cache is: it answers from what was scored before, or says that it does not know. It never fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.cache.keys import CacheKey
    from bentorank.types import ScoredDocument


class LevelReport(NamedTuple):
    """What one level of a cache did since it was last asked, in documents, and what it holds now.

    `errors` are reads that failed, which are misses to the caller. Writes end `written`, `dropped` before they were
    tried, or `failed`. `entries` and `bytes` are 0 and `is_up` says whether it answers where the level is elsewhere.
    """

    level: Literal["memory", "redis"]
    hits: int = 0
    misses: int = 0
    errors: int = 0
    written: int = 0
    dropped: int = 0
    failed: int = 0
    evicted: int = 0
    entries: int = 0
    bytes: int = 0
    is_up: bool = True


class ScoreCache(Protocol):
    """Remembers what documents scored. A cache that is slow, down or wrong is a miss, never an error."""

    async def connect(self) -> None:
        """Connect ahead to whatever it needs, in a second at most; the first use does otherwise. Never raises."""
        ...

    async def get_many(self, keys: Sequence[CacheKey]) -> list[ScoredDocument | None]:
        """What is known of each, in order. Never raises, and never takes longer than its own short timeout."""
        ...

    def put_many(self, entries: Sequence[tuple[CacheKey, ScoredDocument]]) -> None:
        """Remember these; at once or soon, or not at all. Never blocks and never raises."""
        ...

    def collect_reports(self) -> list[LevelReport]:
        """What each level did since the last call."""
        ...

    async def close(self) -> None:
        """Give back connections, after a short time for what is still to be written."""
        ...
