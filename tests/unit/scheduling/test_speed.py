"""The speed that admission predicts by."""

import pytest

from bentorank.scheduling.speed import Speedometer


def test_it_follows_the_last_seconds():
    """Half the speed for some seconds is half the speed, whatever was before."""
    speed = Speedometer()
    for _ in range(1000):
        speed.record(100, 0.1, now=0.0)
    for _ in range(300):
        speed.record(50, 0.1, now=0.0)
    assert speed.tokens_per_s == pytest.approx(500, rel=0.05)


def test_a_machine_that_slept_is_back_to_its_speed_within_seconds():
    """One pass of ten minutes is no ten minutes of measurement."""
    speed = Speedometer()
    speed.record(100, 600.0, now=0.0)
    for _ in range(100):
        speed.record(100, 0.1, now=0.0)
    assert speed.tokens_per_s > 500


def test_what_is_old_is_forgotten():
    """Unknown before the first pass, and again when the last was too long ago."""
    speed = Speedometer()
    assert speed.tokens_per_s is None
    speed.record(100, 0.1, now=7.0)
    speed.forget_before(7.0)
    assert speed.tokens_per_s == pytest.approx(1000)
    speed.forget_before(7.1)
    assert speed.tokens_per_s is None
