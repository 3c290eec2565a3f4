"""How long a forward pass may take."""

import pytest

from bentorank.scheduling.patience import PASSES, Patience


def test_nothing_known_leaves_the_minimum():
    """Before the first pass."""
    assert Patience(10, 32).limit_s(1000) == 10


def test_a_fast_model_has_the_minimum():
    """Ten times a fifth of a second is less."""
    patience = Patience(10, 32)
    patience.learn(1024, 0.2)
    assert patience.limit_s(1024) == 10


def test_a_slow_model_has_ten_times_its_own_pace():
    """A pass of 20 s is honest where all take that long, and a larger one may take longer."""
    patience = Patience(10, 0)
    patience.learn(1000, 20)
    assert patience.limit_s(1000) == pytest.approx(200)
    assert patience.limit_s(8000) == pytest.approx(1600)


def test_the_slowest_of_the_last_passes_counts():
    """A machine that was busy for a while is forgotten."""
    patience = Patience(10, 0)
    patience.learn(1000, 20)
    for _ in range(PASSES - 1):
        patience.learn(1000, 0.1)
    assert patience.limit_s(1000) == pytest.approx(200)
    patience.learn(1000, 0.1)
    assert patience.limit_s(1000) == 10
