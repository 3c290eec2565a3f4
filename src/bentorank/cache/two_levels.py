"""Memory before Redis: what is near is asked first, and what is far comes nearer when it was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.cache.keys import CacheKey
    from bentorank.cache.protocol import LevelReport, ScoreCache
    from bentorank.types import ScoredDocument


class TwoLevels:
    """A ScoreCache of a near one and a far one."""

    def __init__(self, near: ScoreCache, far: ScoreCache) -> None:
        self._near = near
        self._far = far

    async def connect(self) -> None:
        """See ScoreCache."""
        await self._near.connect()
        await self._far.connect()

    async def get_many(self, keys: Sequence[CacheKey]) -> list[ScoredDocument | None]:
        """See ScoreCache."""
        found = await self._near.get_many(keys)
        missing = [position for position, document in enumerate(found) if document is None]
        if not missing:
            return found
        from_far = await self._far.get_many([keys[position] for position in missing])
        fetched = []
        for position, document in zip(missing, from_far, strict=True):
            if document is not None:
                found[position] = document
                fetched.append((keys[position], document))
        self._near.put_many(fetched)
        return found

    def put_many(self, entries: Sequence[tuple[CacheKey, ScoredDocument]]) -> None:
        """See ScoreCache."""
        self._near.put_many(entries)
        self._far.put_many(entries)

    def collect_reports(self) -> list[LevelReport]:
        """See ScoreCache."""
        return [*self._near.collect_reports(), *self._far.collect_reports()]

    async def close(self) -> None:
        """See ScoreCache."""
        await self._near.close()
        await self._far.close()
