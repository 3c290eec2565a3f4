"""One request's look into Redis: one round trip for most, a second one for lists that one hash does not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bentorank.cache.redis.errors import raise_if_unable
from bentorank.cache.redis.layout import MORE, first_lookups, second_lookup, unseal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.cache.keys import CacheKey
    from bentorank.cache.redis.client import Client
    from bentorank.cache.redis.layout import Lookup
    from bentorank.types import ScoredDocument


class Reading:
    """What was found of `keys`; `bad` are the positions where something lay that is no score of theirs."""

    def __init__(self, keys: Sequence[CacheKey]) -> None:
        self._keys = keys
        self.found: list[ScoredDocument | None] = [None] * len(keys)
        self.bad: set[int] = set()

    async def read(self, client: Client) -> Reading:
        """Look everywhere where they may be. Raises what the client raises."""
        lookups = first_lookups(self._keys)
        again: list[Lookup] = []
        for lookup, reply in zip(lookups, await self._ask(client, lookups), strict=True):
            more = self._take(lookup, reply)
            again += second_lookup(self._keys, lookup, self._missing(lookup), more=more)
        if again:
            for lookup, reply in zip(again, await self._ask(client, again), strict=True):
                self._take(lookup, reply)
        return self

    async def _ask(self, client: Client, lookups: Sequence[Lookup]) -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        for lookup in lookups:
            passages = [self._keys[position].passage for position in lookup.positions]
            pipeline.hmget(lookup.hash, [*passages, MORE])
        return raise_if_unable(await pipeline.execute(raise_on_error=False))

    def _take(self, lookup: Lookup, reply: Any) -> bool:  # noqa: ANN401 - whatever the server sends
        """Note what was found. True if the query has further hashes."""
        if not isinstance(reply, list) or len(reply) != len(lookup.positions) + 1:
            self.bad.update(lookup.positions)
            return False
        *values, more = reply
        for position, value in zip(lookup.positions, values, strict=True):
            if value is not None:
                self.found[position] = document = unseal(self._keys[position], value)
                if document is None:
                    self.bad.add(position)
        return more is not None

    def _missing(self, lookup: Lookup) -> list[int]:
        return [position for position in lookup.positions if self.found[position] is None]
