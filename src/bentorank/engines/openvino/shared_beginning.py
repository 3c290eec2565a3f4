"""A batch as a language model's graph takes it: what all of its pairs begin with once, and the rest of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bentorank.engines.collation import longest, pad

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bentorank.engines.collation import PaddedBatch
    from bentorank.types import EncodedPair


@dataclass(frozen=True, slots=True)
class SharedBatch:
    """`shared_ids` of shape (1, tokens), none perhaps, and what follows these in each pair."""

    shared_ids: NDArray[np.int64]
    rests: PaddedBatch

    def as_inputs(self) -> dict[str, NDArray[np.int64]]:
        """By the names of the graph's inputs."""
        return {"shared_ids": self.shared_ids} | self.rests.as_inputs()


def pad_rests(batch: Sequence[EncodedPair], pad_token_id: int, *, width_of: Callable[[int], int] = int) -> SharedBatch:
    """The batch, whose rests, at least a token each, are padded to what `width_of` makes of the longest."""
    batch = list(batch)  # objects, if they were columns: each is looked at several times
    shared = shared_tokens(batch)
    rests = [pair._replace(input_ids=pair.input_ids[shared:]) for pair in batch]
    return SharedBatch(batch[0].input_ids[None, :shared], pad(rests, pad_token_id, width=width_of(longest(rests))))


def shared_tokens(batch: Sequence[EncodedPair]) -> int:
    """How many tokens several pairs all begin with, each having at least one more; 0 of one alone."""
    if len(batch) == 1:
        return 0
    most = min(pair.length for pair in batch) - 1
    beginnings = np.stack([pair.input_ids[:most] for pair in batch])
    unlike = (beginnings != beginnings[0]).any(axis=0)
    return int(unlike.argmax()) if unlike.any() else most
