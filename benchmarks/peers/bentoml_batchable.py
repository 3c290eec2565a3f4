"""bentorank's engine behind BentoML's own batching: only the scheduler differs.

bentoml serve benchmarks.peers.bentoml_batchable:Batchable
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import bentoml

from benchmarks.peers.by_length import score_by_length
from bentorank.engines.loading import load_engine
from bentorank.settings import read_settings
from bentorank.types import Pair
from bentorank.wiring import engine_options

if TYPE_CHECKING:
    from bentorank.engines.protocol import Engine

# The fastest of 8, 16, 32 and 100: a larger batch is padded more, since its pairs come as they are.
MAX_BATCH_SIZE = 8
# Sorted by length, a larger call is padded less: 32 were slower. With 400 every caller would wait for longer calls.
MAX_SORTED_BATCH_SIZE = 128
# No batching window but the wait after which BentoML sheds requests: none is shed before the load generator gives up.
MAX_LATENCY_MS = 120_000


def load() -> Engine:
    """The engine that bentorank would load, with all threads for the one pass that BentoML makes at a time."""
    engine = load_engine(replace(engine_options(read_settings(), 1), streams=1))
    engine.warm_up()
    return engine


@bentoml.service(name="batchable", traffic={"timeout": 600})
class Batchable:
    """As BentoML's documentation has it: one call is one forward pass."""

    def __init__(self) -> None:
        self._engine = load()

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH_SIZE, max_latency_ms=MAX_LATENCY_MS)
    def score(self, pairs: list[tuple[str, str]]) -> list[float]:
        """Relevance logits of (query, passage) pairs, in their order."""
        return self._engine.forward(self._engine.encode([Pair(*pair) for pair in pairs])).tolist()


@bentoml.service(name="sorted-batchable", traffic={"timeout": 600})
class SortedBatchable:
    """As someone would write it who knows what padding costs: a large call, in passes of pairs about as long."""

    def __init__(self) -> None:
        self._engine = load()

    @bentoml.api(batchable=True, max_batch_size=MAX_SORTED_BATCH_SIZE, max_latency_ms=MAX_LATENCY_MS)
    def score(self, pairs: list[tuple[str, str]]) -> list[float]:
        """Relevance logits of (query, passage) pairs, in their order."""
        return score_by_length(self._engine, [Pair(*pair) for pair in pairs]).tolist()
