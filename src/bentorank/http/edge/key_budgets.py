"""How many of the model's tokens each API key may use: a token bucket a key, filled at one rate.

For one event loop; each worker process has its own.
"""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bentorank.errors import BentorankError, InvalidRequestError, RateLimitedError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What a bucket holds unless the settings say: work that a few callers ask for together, after a pause.
BURST_S = 10.0


@dataclass(slots=True)
class Charge:
    """What a request has to pay: a forecast first, and what it has `used` once that is known."""

    used: int


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class KeyBudgets:
    """The buckets of the keys that were used lately. A full one is as good as none and is forgotten in time."""

    def __init__(
        self, tokens_per_s: float, burst_tokens: int | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`burst_tokens` is what a bucket holds."""
        self._tokens_per_s = tokens_per_s
        self._capacity = burst_tokens or max(1.0, BURST_S * tokens_per_s)
        self._clock = clock
        self._buckets: dict[bytes, _Bucket] = {}

    def __len__(self) -> int:
        """How many buckets there are."""
        return len(self._buckets)

    @contextmanager
    def charged(self, key: bytes | None, about_tokens: int) -> Iterator[Charge]:
        """Do the work of a request of about so many tokens within the context, at the expense of `key`.

        Raises RateLimitedError if the bucket has not so many, or is not full where it never has. What was used is put
        right at the end, and may leave a debt. A request that is refused costs nothing; one that fails later costs
        what was foreseen, since the model may have worked on it.
        """
        charge = Charge(about_tokens)
        if key is None:
            yield charge
            return
        self._take(key, about_tokens)
        try:
            yield charge
        except BentorankError as error:
            if error.refusal is not None or isinstance(error, InvalidRequestError):
                charge.used = 0
            raise
        finally:
            self._filled(key).tokens += about_tokens - charge.used

    def _take(self, key: bytes, tokens: int) -> None:
        bucket = self._filled(key)
        missing = min(tokens, self._capacity) - bucket.tokens
        if missing > 0:
            raise RateLimitedError(
                f"this API key has used its share of {self._tokens_per_s:g} tokens a second",
                retry_after_s=max(1, math.ceil(missing / self._tokens_per_s)),
                refusal=Refusal.RATE_LIMIT,
            )
        bucket.tokens -= tokens

    def _filled(self, key: bytes) -> _Bucket:
        """The bucket of `key` as it is now."""
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            self._forget_full(now)
            bucket = self._buckets[key] = _Bucket(self._capacity, now)
        bucket.tokens = self._tokens_at(bucket, now)
        bucket.filled_at = now
        return bucket

    def _forget_full(self, now: float) -> None:
        full = [key for key, bucket in self._buckets.items() if self._tokens_at(bucket, now) >= self._capacity]
        for key in full:
            del self._buckets[key]

    def _tokens_at(self, bucket: _Bucket, now: float) -> float:
        return min(self._capacity, bucket.tokens + (now - bucket.filled_at) * self._tokens_per_s)
