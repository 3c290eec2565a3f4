"""Token buckets of API keys: how much each may use, when it may again, and that they are forgotten."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentorank.errors import InvalidRequestError, OverloadedError, RateLimitedError, Refusal, ScoringError
from bentorank.http.edge.key_budgets import KeyBudgets

KEY, OTHER = b"a", b"b"


class Clock:
    """Time that stands unless a test moves it."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def use(budgets, tokens, used=None, key=KEY):
    with budgets.charged(key, tokens) as charge:
        if used is not None:
            charge.used = used


def refusal(budgets, tokens, key=KEY):
    with pytest.raises(RateLimitedError) as refused:
        use(budgets, tokens, key=key)
    return refused.value


def test_a_key_that_has_used_its_share_is_told_when_to_come_back(clock):
    """100 tokens at once, 10 a second: the next 30 are there after 3 s; another key has its own."""
    budgets = KeyBudgets(10, 100, clock=clock)
    use(budgets, 100)
    error = refusal(budgets, 30)
    assert (error.status, error.code, error.retry_after_s) == (429, "rate_limited", 3)
    assert error.refusal is Refusal.RATE_LIMIT
    use(budgets, 100, key=OTHER)
    clock.now = 2.9
    assert refusal(budgets, 30).retry_after_s == 1
    clock.now = 3.0
    use(budgets, 30)


def test_the_forecast_is_put_right_when_the_use_is_known(clock):
    """Less than foreseen is given back; more is a debt, which the next request waits for."""
    budgets = KeyBudgets(10, 100, clock=clock)
    use(budgets, 100, used=20)
    use(budgets, 80, used=130)
    assert refusal(budgets, 10).retry_after_s == 6


def test_a_request_larger_than_the_bucket_waits_for_a_full_one(clock):
    """And has to be paid in the end."""
    budgets = KeyBudgets(10, 100, clock=clock)
    use(budgets, 250)
    assert refusal(budgets, 1).retry_after_s == 16
    clock.now = 24.0
    assert refusal(budgets, 250).retry_after_s == 1
    clock.now = 25.0
    use(budgets, 250)


@pytest.mark.parametrize(
    ("error", "costs"),
    [
        (OverloadedError("", refusal=Refusal.QUEUE_FULL), 0),
        (InvalidRequestError(""), 0),
        (ScoringError(""), 60),
        (ConnectionError(), 60),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_was_refused_costs_nothing_and_what_failed_costs_the_forecast(clock, error, costs):
    """The model may have worked for whoever failed, or left."""
    budgets = KeyBudgets(10, 100, clock=clock)
    with pytest.raises(type(error)), budgets.charged(KEY, 60):
        raise error
    use(budgets, 100 - costs)
    refusal(budgets, 1)


def test_requests_at_a_time_pay_before_they_are_done(clock):
    """So a hundred at once do not all find the bucket full."""
    budgets = KeyBudgets(10, 100, clock=clock)
    with budgets.charged(KEY, 60):
        refusal(budgets, 60)


def test_keys_that_are_not_used_any_more_are_forgotten(clock):
    """As many buckets as keys that were used since one would be full again; no key, no bucket."""
    budgets = KeyBudgets(10, 100, clock=clock)
    for number in range(1000):
        clock.now = number
        use(budgets, 50, key=b"%d" % number)
    assert len(budgets) <= 6
    use(budgets, 10**9, key=None)
    use(budgets, 10**9, key=None)


def test_ten_seconds_of_the_rate_may_be_used_at_once_unless_said_otherwise(clock):
    """Of a rate below a tenth of a token, at least one token."""
    budgets = KeyBudgets(7, clock=clock)
    use(budgets, 70)
    refusal(budgets, 1)
    use(KeyBudgets(0.01, clock=clock), 1)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 200), st.integers(0, 300)), max_size=50))
def test_nobody_uses_more_than_the_rate_and_a_bucket(requests):
    """Whatever was asked for and when: whoever is let in has paid for all that it used before."""
    clock = Clock()
    budgets = KeyBudgets(10, 100, clock=clock)
    used = 0
    for pause_s, forecast, needed in requests:
        clock.now += pause_s
        try:
            use(budgets, forecast, used=needed)
        except RateLimitedError as error:
            assert error.retry_after_s >= 1
        else:
            assert used <= 10 * clock.now + 100 + 1e-6
            used += needed
