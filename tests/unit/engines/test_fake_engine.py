"""The fake engine ranks by overlap and fails exactly where it is told to."""

from __future__ import annotations

import time

import numpy as np
import pytest

from bentorank.engines import FakeOptions
from bentorank.engines.fake import FakeEngine
from bentorank.errors import InvalidRequestError
from bentorank.types import Pair


def _score(engine: FakeEngine, *pairs: Pair) -> np.ndarray:
    return engine.forward(engine.encode(pairs))


def test_more_of_the_query_scores_higher_and_always_the_same() -> None:
    """Scores follow overlap, differ between passages, and repeat between processes' engines."""
    pairs = [Pair("red fox", passage) for passage in ("a red fox", "a red hen", "a blue hen", "a green hen")]
    scores = _score(FakeEngine(), *pairs)
    assert list(np.argsort(-scores))[:2] == [0, 1]
    assert len(set(scores.tolist())) == 4
    np.testing.assert_array_equal(scores, np.concatenate([_score(FakeEngine(), pair) for pair in pairs]))
    assert scores.dtype == np.float32


def test_markers_make_a_passage_fail() -> None:
    """Poison raises, oom runs out of memory, nan is not a number."""
    engine = FakeEngine()
    with pytest.raises(RuntimeError, match="poisoned"):
        _score(engine, Pair("q", "fine"), Pair("q", "not [[poison]] fine"))
    with pytest.raises(MemoryError):
        _score(engine, Pair("q", "[[OOM]]"))
    assert np.isnan(_score(engine, Pair("q", "[[nan]]"))[0])


def test_delays_are_kept() -> None:
    """A batch takes its fixed delay and the one for its padded tokens."""
    engine = FakeEngine(FakeOptions(delay_s_per_batch=0.02, delay_s_per_1k_tokens=0.1))
    batch = engine.encode([Pair("q", "word " * 98), Pair("q", "word")])
    start = time.monotonic()
    engine.forward(batch)
    assert time.monotonic() - start >= 0.04


def test_window_is_respected() -> None:
    """A passage is cut and says so; a query beyond half of the window is refused."""
    engine = FakeEngine(max_tokens=11)
    encoded = engine.encode([Pair("a b", "c " * 20), Pair("a b", "c")])
    assert [(pair.length, pair.truncated) for pair in encoded] == [(11, True), (4, False)]
    with pytest.raises(InvalidRequestError, match="at most 5"):
        engine.encode([Pair("a " * 6, "c")])
