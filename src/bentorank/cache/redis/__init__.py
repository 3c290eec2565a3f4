"""Scores in Redis or Valkey, shared by workers and kept over restarts; whatever becomes of it, nobody waits for it."""

from bentorank.cache.redis.cache import RedisCache

__all__ = ["RedisCache"]
