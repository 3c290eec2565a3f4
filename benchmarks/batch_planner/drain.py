"""Empties a queue of 32 requests batch by batch, so many times; prints how many batches that were."""

from __future__ import annotations

import random
import sys

import numpy as np

from bentorank.scheduling.batching import BatchBudget
from bentorank.scheduling.queue import FairQueue, QueuedRequest
from bentorank.types import EncodedPair

SEED = 13
REQUESTS = 32
DOCUMENTS = (10, 50, 100)
FEWEST_TOKENS, MOST_TOKENS = 20, 400
BUDGET = BatchBudget(max_batch_tokens=1024, forward_overhead_tokens=32)


def drain(times: int) -> int:
    """How many batches it took."""
    rng = random.Random(SEED)
    requests = [_pairs(rng) for _ in range(REQUESTS)]
    batches = 0
    for _ in range(times):
        queue = FairQueue()
        for pairs in requests:
            queue.add(QueuedRequest.of(pairs, None))
        while len(queue):
            queue.take_batch(BUDGET)
            batches += 1
    return batches


def _pairs(rng: random.Random) -> list[EncodedPair]:
    lengths = [rng.randint(FEWEST_TOKENS, MOST_TOKENS) for _ in range(rng.choice(DOCUMENTS))]
    return [EncodedPair(np.zeros(length, np.int64)) for length in lengths]


if __name__ == "__main__":
    sys.stdout.write(f"{drain(int(sys.argv[1]))}\n")
