"""`CrossEncoder.predict` behind BentoML's own batching, as a BentoML user would write it.

MODEL=models/starter bentoml serve benchmarks.peers.bentoml_cross_encoder:BatchableCrossEncoder
"""

from __future__ import annotations

import os

import bentoml
from sentence_transformers import CrossEncoder

MAX_BATCH_SIZE = 128
# No batching window but the wait after which BentoML sheds requests: none is shed before the load generator gives up.
MAX_LATENCY_MS = 120_000
# Of one forward pass: `predict` sorts the pairs of a call by length first.
FORWARD_BATCH_SIZE = 32


@bentoml.service(name="batchable-cross-encoder", traffic={"timeout": 600})
class BatchableCrossEncoder:
    """Scores pairs; BentoML merges the pairs of several requests into one call, and splits a large request."""

    def __init__(self) -> None:
        self._model = CrossEncoder(os.environ["MODEL"], device="cpu")

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH_SIZE, max_latency_ms=MAX_LATENCY_MS)
    def score(self, pairs: list[tuple[str, str]]) -> list[float]:
        """Relevance of (query, passage) pairs, in their order."""
        return self._model.predict(pairs, batch_size=FORWARD_BATCH_SIZE, show_progress_bar=False).tolist()
