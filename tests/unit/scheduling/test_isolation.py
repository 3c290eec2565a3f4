"""A pair that makes a forward pass fail fails alone."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bentorank.errors import NonFiniteScoreError, ScoringError
from bentorank.scheduling.isolation import IsolatingForward
from bentorank.types import EncodedPair

POISON = 666


def pair(value):
    return EncodedPair(np.array([value], dtype=np.int64))


class CountingForward:
    """Scores a pair with its own token, raises on a poisoned one, and counts its passes."""

    def __init__(self, largest_batch=10_000, too_large=None):
        self.passes = 0
        self.largest_batch = largest_batch
        self.too_large = too_large

    def __call__(self, batch):
        self.passes += 1
        if len(batch) > self.largest_batch:
            raise self.too_large
        values = [int(p.input_ids[0]) for p in batch]
        if POISON in values:
            raise ValueError("poison")
        return np.array(values, dtype=np.float32)


@given(st.lists(st.integers(0, 500), min_size=3, max_size=64), st.data())
def test_only_the_poisoned_pair_fails(values, data):
    """All other outcomes equal those of a clean run, at no more than ⌈log2 n⌉ + 2 further passes."""
    place = data.draw(st.integers(0, len(values) - 1))
    values[place] = POISON
    forward = CountingForward()
    outcomes = IsolatingForward(forward).run([pair(value) for value in values])
    assert isinstance(outcomes[place], ScoringError)
    assert [o for i, o in enumerate(outcomes) if i != place] == [v for i, v in enumerate(values) if i != place]
    assert forward.passes - 1 <= math.ceil(math.log2(len(values))) + 2


@pytest.mark.parametrize(("poisons", "healthy"), [(2, 1), (2, 2), (3, 1), (9, 20)])
def test_poisons_that_all_stand_in_front_are_no_broken_engine(poisons, healthy):
    """A batch has its longest pairs there, and those of several callers may be the poisoned ones."""
    outcomes = IsolatingForward(CountingForward()).run([pair(POISON)] * poisons + [pair(n) for n in range(healthy)])
    assert all(isinstance(outcome, ScoringError) for outcome in outcomes[:poisons])
    assert outcomes[poisons:] == [float(n) for n in range(healthy)]


@given(st.lists(st.booleans(), min_size=1, max_size=48).filter(lambda flags: not all(flags)))
def test_several_poisons_leave_every_healthy_pair_scored_or_the_engine_is_given_up(flags):
    """Whatever the pattern, each pair has an outcome, and a poisoned one never has a score."""
    outcomes = IsolatingForward(CountingForward()).run([pair(POISON if flag else 7) for flag in flags])
    for flag, outcome in zip(flags, outcomes, strict=True):
        assert isinstance(outcome, ScoringError) if flag else outcome == 7 or isinstance(outcome, ScoringError)
    if sum(flags) < 2:
        assert all(outcome == 7 for flag, outcome in zip(flags, outcomes, strict=True) if not flag)


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("std::bad_alloc"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_batch_too_large_for_the_memory_is_halved_and_nobody_is_blamed(error):
    """Out of memory is nobody's poison, whichever library says so."""
    isolating = IsolatingForward(CountingForward(largest_batch=3, too_large=error))
    assert isolating.run([pair(value) for value in range(16)]) == [float(value) for value in range(16)]
    assert isolating.out_of_memory


def test_an_engine_that_fails_on_everything_is_given_up_soon():
    """A broken engine costs a few passes, not a few for every pair."""

    def broken(_batch):
        broken.passes += 1
        raise RuntimeError("driver lost")

    broken.passes = 0
    outcomes = IsolatingForward(broken).run([pair(1)] * 256)
    assert all(isinstance(outcome, ScoringError) for outcome in outcomes)
    assert broken.passes < 30


def test_a_fault_that_passes_costs_nobody_a_score():
    """A pass that fails once and then works blames no pair."""
    forward = CountingForward()

    def flaky(batch):
        if forward.passes == 0:
            forward.passes += 1
            raise RuntimeError("hiccup")
        return forward(batch)

    assert IsolatingForward(flaky).run([pair(3), pair(4)]) == [3.0, 4.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_that_pairs_error(value):
    """NaN never becomes a rank."""
    outcomes = IsolatingForward(lambda _: np.array([1.0, value], dtype=np.float32)).run([pair(1), pair(2)])
    assert outcomes[0] == 1.0
    assert isinstance(outcomes[1], NonFiniteScoreError)


def test_the_text_of_an_engine_error_reaches_neither_outcome_nor_log(caplog):
    """Engine errors may quote the input."""

    def quoting(_batch):
        raise ValueError("secret passage")

    outcomes = IsolatingForward(quoting).run([pair(1)])
    assert "secret" not in str(outcomes[0])
    assert "secret" not in caplog.text
