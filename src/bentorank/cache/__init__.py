"""Scores that were computed before, by pair: in memory, in Redis, or in both."""

from bentorank.cache.keys import CacheKey, document_keys
from bentorank.cache.opening import CacheOptions, open_cache
from bentorank.cache.protocol import LevelReport, ScoreCache

__all__ = ["CacheKey", "CacheOptions", "LevelReport", "ScoreCache", "document_keys", "open_cache"]
