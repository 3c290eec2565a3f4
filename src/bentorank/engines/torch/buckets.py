"""The sizes that packed batches are filled up to, so that one recorded launch serves all batches of about one size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bentorank.engines.collation import PackedBatch

STEP_TOKENS: Final = 256

# Each place for a sequence costs the launch of as many blocks of threads as its longest could need, most of which find
# nothing to do.
TOKENS_A_SEQUENCE: Final = 32
FEWEST_SEQUENCES: Final = 32
LONGEST_SEQUENCE: Final = 1024


@dataclass(frozen=True, slots=True)
class Bucket:
    """A batch of exactly `tokens` tokens in exactly `sequences` sequences, none of more than `longest` tokens."""

    tokens: int
    sequences: int
    longest: int

    def fits(self, batch: PackedBatch) -> bool:
        """Whether the batch can be filled up to this."""
        pairs, tokens = len(batch.bounds) - 1, int(batch.bounds[-1])
        if tokens > self.tokens or np.diff(batch.bounds).max() > self.longest:
            return False
        return pairs + self._fillers(tokens) <= self.sequences

    def fill(self, batch: PackedBatch, rows: NDArray[np.int64], bounds: NDArray[np.int32]) -> slice:
        """Write its inputs, filled up, into `rows` of shape (inputs, tokens), its bounds into (sequences + 1,) others.

        The places of its pairs among the sequences come back. Those in front of them are empty, so that each begins at
        a token that is there; those behind are of zeros, which every table has a row for.
        """
        tokens, pairs = int(batch.bounds[-1]), len(batch.bounds) - 1
        for row, values in zip(rows, batch.as_inputs().values(), strict=True):
            row[:tokens] = values[0]
            row[tokens:] = 0
        fillers = self._fillers(tokens)
        places = slice(self.sequences - fillers - pairs, self.sequences - fillers)
        bounds[: places.start] = 0
        bounds[places.start : places.stop + 1] = batch.bounds
        bounds[places.stop + 1 :] = np.minimum(tokens + self.longest * np.arange(1, fillers + 1), self.tokens)
        return places

    def _fillers(self, tokens: int) -> int:
        return -(-(self.tokens - tokens) // self.longest)


def buckets_up_to(tokens: int, window: int) -> list[Bucket]:
    """In rising order, for pairs within `window`.

    Multiples of STEP_TOKENS, four to a doubling: from 1,024 tokens on, at most a fifth of what is computed is filling.
    """
    sizes = [quarters << doublings for doublings in range(tokens.bit_length()) for quarters in (4, 5, 6, 7)]
    return [
        Bucket(size, max(FEWEST_SEQUENCES, size // TOKENS_A_SEQUENCE), min(window, size, LONGEST_SEQUENCE))
        for size in sizes
        if size % STEP_TOKENS == 0 and size <= tokens
    ]
