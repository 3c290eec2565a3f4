"""From options to a cache: in memory, in Redis, both or none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bentorank.cache.memory import MemoryCache
from bentorank.cache.redis import RedisCache
from bentorank.cache.two_levels import TwoLevels

if TYPE_CHECKING:
    from bentorank.cache.protocol import ScoreCache


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """How much memory to take, where a Redis is, if there is one, and how long to keep a query's scores."""

    memory_bytes: int
    ttl_s: float
    redis_url: str | None = field(default=None, repr=False)  # it may hold a password


def open_cache(options: CacheOptions) -> ScoreCache | None:
    """The cache that is asked for, or None. Raises ConfigurationError; does not connect."""
    memory = MemoryCache(options.memory_bytes, options.ttl_s) if options.memory_bytes else None
    redis = RedisCache(options.redis_url, options.ttl_s) if options.redis_url else None
    if memory is not None and redis is not None:
        return TwoLevels(memory, redis)
    return memory or redis
