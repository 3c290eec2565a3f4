"""Scores the pairs of one call in passes of pairs that are about as long, as `CrossEncoder.predict` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bentorank.engines.protocol import Engine
    from bentorank.types import Pair

# With natural passages about the 1024 tokens that suit the engine on a CPU.
FORWARD_PAIRS = 8


def score_by_length(engine: Engine, pairs: Sequence[Pair]) -> NDArray[np.float32]:
    """Logits of shape (len(pairs),), scored from the longest pair to the shortest."""
    encoded = engine.encode(pairs)
    longest_first = np.argsort([-pair.length for pair in encoded], kind="stable")
    logits = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), FORWARD_PAIRS):
        places = longest_first[start : start + FORWARD_PAIRS]
        logits[places] = engine.forward([encoded[place] for place in places])
    return logits
