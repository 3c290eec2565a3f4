"""A circuit breaker: after failed attempts in a row, calls fail at once instead of waiting for a dead service."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from enum import Enum
from threading import Lock
from typing import TypeAlias

from bentorank_client.base_urls import server_of
from bentorank_client.errors import CircuitOpenError

Clock: TypeAlias = Callable[[], float]

# Attempts, so that a call with its retries counts several: what is dead is known as soon as may be.
FAILURES_TO_OPEN = 5
OPEN_S = 10.0
OPEN_JITTER = 0.2  # so that many clients do not probe a recovering service at the same moment


class BreakerState(Enum):
    """Closed lets calls through, open none, half-open exactly one: the probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CircuitBreaker:
    """`enter` before an attempt, then one of `succeeded`, `failed` or `abandoned` with what it returned.

    Thread-safe; the lock is held for changes of state only, never during a call. Results of attempts that began in an
    earlier state count for nothing.
    """

    def __init__(
        self,
        clock: Clock = time.monotonic,
        jitter: Callable[[], float] = random.random,
        server: str = "the reranking service",
    ) -> None:
        self._server = server
        self._clock = clock
        self._jitter = jitter
        self._lock = Lock()
        self._state = BreakerState.CLOSED
        self._failures = 0
        self._generation = 0
        self._open_until = 0.0

    @property
    def state(self) -> BreakerState:
        """What the next caller meets; an open breaker stays so until somebody probes."""
        return self._state

    @property
    def open_for_s(self) -> float:
        """Seconds until a probe is let through; 0 where one would be now."""
        return 0.0 if self._state is BreakerState.CLOSED else max(0.0, self._open_until - self._clock())

    def enter(self) -> int:
        """The ticket of one attempt. Raises CircuitOpenError."""
        with self._lock:
            if self._state is BreakerState.CLOSED:
                return self._generation
            now = self._clock()
            if self._state is BreakerState.HALF_OPEN or now < self._open_until:
                raise CircuitOpenError(max(0.0, self._open_until - now), self._server)
            self._state = BreakerState.HALF_OPEN
            self._generation += 1
            return self._generation

    def succeeded(self, ticket: int) -> None:
        """The service answered."""
        with self._lock:
            if ticket == self._generation:
                self._failures = 0
                self._state = BreakerState.CLOSED

    def failed(self, ticket: int, retry_after_s: float | None = None) -> None:
        """The service did not answer, or could not; it may have said how long to leave it alone."""
        with self._lock:
            if ticket != self._generation:
                return
            self._failures += 1
            if self._state is BreakerState.HALF_OPEN or self._failures >= FAILURES_TO_OPEN:
                self._open(max(OPEN_S, retry_after_s or 0.0) * (1 + OPEN_JITTER * self._jitter()))

    def abandoned(self, ticket: int) -> None:
        """The caller left before the outcome was known: nothing is counted, and the next caller may probe."""
        with self._lock:
            if ticket == self._generation and self._state is BreakerState.HALF_OPEN:
                self._open(0.0)

    def _open(self, seconds: float) -> None:
        self._state = BreakerState.OPEN
        self._open_until = self._clock() + seconds
        self._generation += 1


_breakers: dict[str, CircuitBreaker] = {}
_breakers_lock = Lock()


def breaker_of(base_url: str) -> CircuitBreaker:
    """The breaker of a service, shared by all clients of this process."""
    with _breakers_lock:
        breaker = _breakers.get(base_url)
        if breaker is None:
            breaker = _breakers[base_url] = CircuitBreaker(server=server_of(base_url))
        return breaker


def _forget_in_child() -> None:
    # A fork may copy a lock that some thread holds.
    global _breakers_lock  # noqa: PLW0603 - a process-wide registry
    _breakers_lock = Lock()
    _breakers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
