"""The batches of a request that is alone, for ways through a model that are measured without a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentorank.scheduling.queue import FairQueue, QueuedRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bentorank.scheduling.batching import BatchBudget
    from bentorank.types import EncodedPair


def longest_first(pairs: Sequence[EncodedPair], budget: BatchBudget) -> Iterator[list[EncodedPair]]:
    """The batches that the scheduler would plan if it saw all pairs."""
    queue = FairQueue()
    queue.add(QueuedRequest.of(pairs, deadline=None))
    while len(queue):
        yield [pair for share in queue.take_batch(budget) for pair in share.pairs]
