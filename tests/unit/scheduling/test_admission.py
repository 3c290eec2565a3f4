"""Admission: a pure function from a request and the queue to yes, or to one of three refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentorank.errors import DeadlineExceededError, OverloadedError, PayloadTooLargeError
from bentorank.scheduling.admission import MAX_RETRY_AFTER_S, QueueState, check_admission, check_before_tokenising

IDLE = QueueState(0, 0, None)


@pytest.mark.parametrize(
    ("request_tokens", "state", "remaining_s", "refusal"),
    [
        (100, IDLE, None, None),
        (101, IDLE, None, PayloadTooLargeError),
        (101, QueueState(100, 9, 1.0), 0.001, PayloadTooLargeError),
        (50, QueueState(50, 1, None), None, None),
        (51, QueueState(50, 1, None), None, OverloadedError),
        # Alone 5 s of work.
        (50, QueueState(0, 0, 10.0), 5.0, None),
        (50, QueueState(0, 0, 10.0), 4.9, DeadlineExceededError),
        (50, QueueState(0, 0, None), 0.001, None),
        # 1 s of work behind 9 s: an equal share of two takes 2 s, of nine 9 s; the queue takes 10 s.
        (10, QueueState(90, 1, 10.0), 2.0, None),
        (10, QueueState(90, 1, 10.0), 1.9, OverloadedError),
        (10, QueueState(90, 20, 10.0), 10.0, None),
        (10, QueueState(90, 20, 10.0), 9.9, OverloadedError),
        (10, QueueState(90, 1, 10.0), 0.9, DeadlineExceededError),
    ],
)
def test_refusals(request_tokens, state, remaining_s, refusal):
    """With room for 100 tokens."""

    def check():
        check_admission(request_tokens, state, max_queue_tokens=100, remaining_s=remaining_s)

    if refusal is None:
        check()
    else:
        with pytest.raises(refusal):
            check()


@pytest.mark.parametrize(
    ("about_tokens", "state", "remaining_s", "is_refused"),
    [
        (100, IDLE, 0.001, False),
        (51, QueueState(50, 1, None), None, True),
        (0, QueueState(100, 1, None), None, False),
        # As above, with a margin of 1.3 for what is only guessed.
        (10, QueueState(90, 1, 10.0), 2.7, False),
        (10, QueueState(90, 1, 10.0), 2.5, True),
        (10, QueueState(90, 20, 10.0), 13.1, False),
        (10, QueueState(90, 20, 10.0), 12.9, True),
        # Too much by itself: that is for the caller to change, and only known after tokenising.
        (101, QueueState(100, 9, None), None, False),
        (10, QueueState(90, 1, 10.0), 0.9, False),
    ],
)
def test_refusals_before_tokenising(about_tokens, state, remaining_s, is_refused):
    """With room for 100 tokens; only waiting for others is a reason."""

    def check():
        check_before_tokenising(about_tokens, state, max_queue_tokens=100, remaining_s=remaining_s)

    if is_refused:
        with pytest.raises(OverloadedError):
            check()
    else:
        check()


def test_a_refusal_before_tokenising_names_the_wait_and_the_deadline_of_the_caller():
    """The margin makes the wait longer, not the deadline shorter."""
    state = QueueState(90, 20, 10.0)
    with pytest.raises(OverloadedError, match=r"may take 13\.0 s, more than the 11\.0 s that the deadline leaves"):
        check_before_tokenising(10, state, max_queue_tokens=100, remaining_s=11.0)


@pytest.mark.parametrize(
    ("tokens_per_s", "retry_after_s"), [(None, 1), (0.0, 1), (1e9, 1), (50.0, 1), (49.0, 2), (10.0, 5), (0.1, 60)]
)
def test_retry_after_is_the_time_to_make_room(tokens_per_s, retry_after_s):
    """Whole seconds from the measured speed, between 1 and 60; 1 while nothing is known. 50 tokens are too many."""
    with pytest.raises(OverloadedError) as caught:
        check_admission(60, QueueState(90, 3, tokens_per_s), max_queue_tokens=100, remaining_s=None)
    assert caught.value.retry_after_s == retry_after_s


@given(
    request_tokens=st.integers(1, 200),
    tokens=st.integers(0, 200),
    requests=st.integers(0, 50),
    speed=st.none() | st.just(0.0) | st.floats(1e-3, 1e6),
    remaining_s=st.none() | st.floats(-10, 100),
)
def test_the_queue_never_exceeds_its_limit_and_refusals_say_when_to_come_back(
    request_tokens, tokens, requests, speed, remaining_s
):
    """Whatever the state: admitted work fits, an overload names 1 to 60 seconds."""
    state = QueueState(tokens, requests, speed)
    try:
        check_admission(request_tokens, state, max_queue_tokens=100, remaining_s=remaining_s)
    except OverloadedError as error:
        assert 1 <= error.retry_after_s <= MAX_RETRY_AFTER_S
    except PayloadTooLargeError:
        assert request_tokens > 100
    except DeadlineExceededError:
        assert remaining_s is not None
    else:
        assert tokens + request_tokens <= 100
