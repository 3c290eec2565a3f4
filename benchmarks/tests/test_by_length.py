"""Sorting pairs by length changes nobody's score."""

from __future__ import annotations

from benchmarks.peers.by_length import FORWARD_PAIRS, score_by_length
from bentorank.engines.fake import FakeEngine
from bentorank.engines.options import FakeOptions
from bentorank.types import Pair


def test_scores_come_back_in_the_order_of_the_pairs() -> None:
    """Over several passes, the last one smaller, with lengths out of order."""
    engine = FakeEngine(FakeOptions())
    pairs = [Pair("owls", f"owls {number} " * (number * 7 % 11 + 1)) for number in range(2 * FORWARD_PAIRS + 3)]
    alone = [engine.forward(engine.encode([pair]))[0] for pair in pairs]
    assert score_by_length(engine, pairs).tolist() == alone
