"""Who would wait too long behind others: by what is ordinary for its own work, in a queue that stands."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentorank.errors import OverloadedError, Refusal
from bentorank.scheduling.shedding import OVERLOADED_FOR_S, Shedding

PASS = 100
PER_S = 1000.0


def standing(target_wait_s=0.5, now=0.0):
    """A queue that does 1,000 tokens a second and that a pass has just left more in than another takes."""
    shedding = Shedding(target_wait_s, PASS)
    shedding.take(PASS, now)
    shedding.record(PASS, PASS / PER_S, now)
    return shedding


def is_refused(shedding, tokens, queued, callers, now=0.0):
    try:
        shedding.check(tokens, queued, callers, now)
    except OverloadedError:
        return True
    return False


@pytest.mark.parametrize(
    ("tokens", "queued", "callers", "refused"),
    [
        # 30 times its own work, or 600 tokens for small ones, or 500: whichever is most.
        (100, 100_000, 30, False),
        (100, 100_000, 31, True),
        # Behind large ones it only waits for as much of each as it is itself.
        (10, 100_000, 60, False),
        (10, 100_000, 61, True),
        # It waits for no more than there is, and twice as much that comes meanwhile.
        (100, 1000, 500, False),
        (100, 1010, 500, True),
        (10, 200, 500, False),
        (10, 210, 500, True),
        # To a large request that is little; its own work never counts.
        (1000, 10_000, 500, False),
        (1_000_000, 600_000, 500, False),
        (0, 600_000, 500, False),
    ],
)
def test_a_burst_may_let_others_wait(tokens, queued, callers, refused):
    """Until one is refused."""
    assert is_refused(standing(), tokens, queued, callers) is refused


@pytest.mark.parametrize(("ahead_s", "refused"), [(2.9, False), (3.1, True)])
def test_fast_devices_let_wait_until_the_target(ahead_s, refused):
    """Many requests of little work, whose 24 are soon done."""
    assert is_refused(standing(target_wait_s=3.0), 10, 10**6, int(ahead_s * PER_S / 10)) is refused


def test_a_refusal_says_when_it_would_be_let_in():
    """4,200 tokens, 3,000 of them ordinary: 1.2 s too many."""
    with pytest.raises(OverloadedError) as refused:
        standing().check(100, 100_000, 42, 0.0)
    assert refused.value.retry_after_s == 2
    assert refused.value.refusal is Refusal.TARGET_WAIT
    assert "may take 4.2 s, and such a request waits here for 3.0 s at most" in refused.value.message


def test_after_a_refusal_less_is_let_in_for_a_while():
    """20 times the own work: what has filled the queue is no burst."""
    shedding = standing(target_wait_s=2.0)
    assert not is_refused(shedding, 100, 100_000, 30)
    assert is_refused(shedding, 100, 100_000, 31)
    assert is_refused(shedding, 100, 100_000, 21)
    assert not is_refused(shedding, 100, 100_000, 20)
    later = OVERLOADED_FOR_S + 0.1
    assert not is_refused(shedding, 100, 100_000, 30, now=later)


def test_a_queue_that_the_next_pass_empties_refuses_nobody():
    """However many come at once: nothing says yet that they wait for long."""
    shedding = standing()
    shedding.take(PASS - 1, 0.0)
    assert not is_refused(shedding, 10, 100_000, 1000)


def test_the_speed_of_an_earlier_queue_is_none_of_this_one():
    """One slow pass must not refuse callers for ever."""
    shedding = standing()
    shedding.record(1, 1000.0, 0.0)
    shedding.take(0, 0.0)
    shedding.take(PASS, 60.0)
    assert not is_refused(shedding, 10, 100_000, 1000, now=60.0)
    shedding.record(PASS, PASS / PER_S, 60.1)
    assert is_refused(shedding, 10, 100_000, 1000, now=60.1)


def test_without_a_target_nobody_is_refused_at_first():
    """Which leaves it to deadlines."""
    assert not is_refused(standing(target_wait_s=math.inf), 1, 10**9, 10**6)


@given(st.integers(1, 10**6), st.integers(0, 10**9), st.integers(0, 20))
def test_twenty_who_share_the_device_are_always_served(tokens, queued, callers):
    """However much the others have queued; also after refusals."""
    shedding = standing()
    is_refused(shedding, 1, 10**9, 10**6)
    assert not is_refused(shedding, tokens, queued, callers)
