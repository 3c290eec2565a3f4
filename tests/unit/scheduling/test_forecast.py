"""Guessing tokens from sizes: near enough to refuse by, and low where it is not sure."""

import pytest

from bentorank.engines.fake import FakeEngine
from bentorank.scheduling.forecast import ReadingSpeed, TokenForecast, sizes_in_bytes
from bentorank.types import LengthPolicy, Pair

ENGINE = FakeEngine(max_tokens=100)


def pairs_of(words, count):
    return [Pair("night owl", " ".join(["word"] * words)) for _ in range(count)]


def learn(forecast, pairs):
    forecast.learn(sizes_in_bytes(pairs), ENGINE.encode_chunks(pairs, LengthPolicy()))


def guess_and_truth(forecast, pairs):
    return forecast.tokens(sizes_in_bytes(pairs)), sum(pair.length for pair in ENGINE.encode(pairs))


def test_nothing_is_guessed_before_anything_was_learnt():
    """A service that has just started refuses nobody for a guess."""
    assert TokenForecast(100).tokens([1_000_000]) == 0


@pytest.mark.parametrize(("words", "count"), [(20, 1), (20, 500), (80, 30)])
def test_the_guess_is_near_the_truth_and_below_it(words, count):
    """Nine tenths of it for texts of the kind that was learnt, however many and long."""
    forecast = TokenForecast(100)
    learn(forecast, pairs_of(words=40, count=10))
    guess, truth = guess_and_truth(forecast, pairs_of(words, count))
    assert 0.8 * truth < guess < truth


def test_texts_that_are_cut_are_guessed_as_full_windows_and_teach_nothing():
    """What was not read was not counted."""
    forecast = TokenForecast(100)
    learn(forecast, pairs_of(words=40, count=10))
    learn(forecast, pairs_of(words=100_000, count=10))
    assert forecast.tokens(sizes_in_bytes(pairs_of(words=100_000, count=3))) == 300
    guess, truth = guess_and_truth(forecast, pairs_of(words=40, count=10))
    assert 0.8 * truth < guess < truth


def test_other_texts_are_learnt_within_megabytes():
    """One language makes way for another."""
    forecast = TokenForecast(100)
    learn(forecast, pairs_of(words=40, count=10_000))
    dense = [Pair("a", "b c d e f g h i j k " * 4)] * 50_000
    learn(forecast, dense)
    guess, truth = guess_and_truth(forecast, dense[:100])
    assert 0.7 * truth < guess < truth


def test_texts_that_take_long_are_foreseen_to_and_forgotten():
    """What is read decides what may hold up others, whichever language comes next."""
    speed = ReadingSpeed()
    unknown_s = speed.seconds(100_000)
    for _ in range(100):
        speed.learn(100_000, 100_000 * 5e-9)
    assert speed.seconds(100_000) == pytest.approx(100_000 * 5e-9, rel=0.1)
    assert speed.seconds(100_000) < unknown_s
    for _ in range(100):
        speed.learn(100_000, 100_000 * 90e-9)
    assert speed.seconds(100_000) > unknown_s
