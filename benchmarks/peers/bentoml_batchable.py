"""bentorank's engine behind BentoML's own batching, as a BentoML user would write it: only the scheduler differs.

bentoml serve benchmarks.peers.bentoml_batchable:Batchable
"""

from __future__ import annotations

import os

import bentoml

from bentorank.engines.loading import load_engine
from bentorank.settings import read_settings
from bentorank.types import Pair
from bentorank.wiring import engine_options

MAX_BATCH_SIZE = int(os.environ.get("TRY_BATCH", "16"))
MAX_LATENCY_MS = 60_000


@bentoml.service(name="batchable", traffic={"timeout": 600})
class Batchable:
    """Scores pairs; BentoML merges the pairs of several requests into one call, and splits a large request."""

    def __init__(self) -> None:
        self._engine = load_engine(engine_options(read_settings(), 1))
        self._engine.warm_up()

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH_SIZE, max_latency_ms=MAX_LATENCY_MS)
    def score(self, pairs: list[tuple[str, str]]) -> list[float]:
        """Relevance logits of (query, passage) pairs, in their order."""
        encoded = self._engine.encode([Pair(query, passage) for query, passage in pairs])
        return self._engine.forward(encoded).tolist()
