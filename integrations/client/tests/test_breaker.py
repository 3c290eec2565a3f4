"""The breaker's states, by an injected clock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from bentorank_client.breaker import BreakerState, CircuitBreaker
from bentorank_client.errors import CircuitOpenError


class Clock:
    """Seconds that pass when they are told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return CircuitBreaker(clock, jitter=lambda: 0.0)


def fail(breaker, times=5):
    for _ in range(times):
        breaker.failed(breaker.enter())


def test_five_failures_in_a_row_open_it(breaker):
    """A success in between starts the count again."""
    fail(breaker, 4)
    breaker.succeeded(breaker.enter())
    fail(breaker, 4)
    assert breaker.state is BreakerState.CLOSED
    fail(breaker, 1)
    with pytest.raises(CircuitOpenError) as caught:
        breaker.enter()
    assert caught.value.retry_after_s == 10


def test_one_of_sixteen_callers_probes(breaker, clock):
    """However many come at once."""
    fail(breaker)
    clock.now = 10
    barrier = Barrier(16)

    def caller(_):
        barrier.wait()
        try:
            return breaker.enter()
        except CircuitOpenError:
            return None

    with ThreadPoolExecutor(16) as callers:
        tickets = [ticket for ticket in callers.map(caller, range(16)) if ticket is not None]
    assert len(tickets) == 1
    breaker.succeeded(tickets[0])
    assert breaker.state is BreakerState.CLOSED


def test_a_failed_probe_opens_it_again(breaker, clock):
    """For as long as the service asks, if that is longer."""
    fail(breaker)
    clock.now = 10
    breaker.failed(breaker.enter(), retry_after_s=30)
    clock.now = 39
    with pytest.raises(CircuitOpenError):
        breaker.enter()
    clock.now = 40
    breaker.enter()


def test_results_of_an_earlier_state_count_for_nothing(breaker, clock):
    """A slow success of before the outage does not close the breaker."""
    late = breaker.enter()
    fail(breaker)
    breaker.succeeded(late)
    assert breaker.state is BreakerState.OPEN
    clock.now = 10
    breaker.enter()
    breaker.failed(late)
    assert breaker.state is BreakerState.HALF_OPEN


def test_a_caller_who_leaves_counts_for_nothing(breaker, clock):
    """Neither for nor against; and its probe is the next caller's."""
    fail(breaker, 4)
    breaker.abandoned(breaker.enter())
    assert breaker.state is BreakerState.CLOSED
    fail(breaker, 1)
    assert breaker.state is BreakerState.OPEN
    clock.now = 10
    breaker.abandoned(breaker.enter())
    breaker.succeeded(breaker.enter())
    assert breaker.state is BreakerState.CLOSED
