"""What the scheduler may do at once: the token budgets of the queue and of one forward pass."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SchedulerLimits:
    """Bounds on queueing and batching.

    `max_batch_tokens` bounds pairs × longest pair of one forward pass, padding included.
    `forward_overhead_tokens` is what a forward pass costs beside its tokens, expressed in tokens: a batch is cut
    rather than padded by more than this.
    `stalled_after_s` is how long one forward pass may take, at least, before the scheduler counts as stuck.
    `target_wait_s` is how long a request may have to wait behind others, where that is more than ordinary for its size.
    """

    max_queue_tokens: int
    max_batch_tokens: int
    forward_overhead_tokens: int
    stalled_after_s: float = 10.0
    target_wait_s: float = math.inf
