"""The sizes that packed batches are filled up to, so that one recorded launch serves all batches of about one size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bentorank.engines.collation import PackedBatch
    from bentorank.engines.torch.input_memory import Arrays

STEP_TOKENS: Final = 256

# Each place for a sequence costs the launch of as many blocks of threads as its longest could need, most of which find
# nothing to do.
TOKENS_A_SEQUENCE: Final = 32
FEWEST_SEQUENCES: Final = 32
LONGEST_SEQUENCE: Final = 1024


@dataclass(frozen=True, slots=True)
class BucketSize:
    """Exactly `tokens` tokens in exactly `sequences` sequences, none of which reads more than `longest` tokens."""

    tokens: int
    sequences: int
    longest: int

    @classmethod
    def up_to(cls, tokens: int, window: int) -> list[Self]:
        """In rising order, for pairs within `window`: multiples of STEP_TOKENS, four to a doubling.

        From 1,024 tokens on, at most a fifth of what is computed is filling.
        """
        sizes = (quarters << doublings for doublings in range(tokens.bit_length()) for quarters in (4, 5, 6, 7))
        return [
            cls(size, max(FEWEST_SEQUENCES, size // TOKENS_A_SEQUENCE), min(window, size, LONGEST_SEQUENCE))
            for size in sizes
            if size % STEP_TOKENS == 0 and size <= tokens
        ]

    def filler_ends(self, begin: int) -> NDArray[np.int32]:
        """Where the fewest sequences end that fill the tokens from `begin` on."""
        fillers = -(-(self.tokens - begin) // self.longest)
        ends = begin + self.longest * np.arange(1, fillers + 1, dtype=np.int32)
        return np.minimum(ends, self.tokens, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Bucket(BucketSize):
    """For packed batches."""

    def fits(self, batch: PackedBatch) -> bool:
        """Whether the batch can be filled up to this."""
        pairs, tokens = len(batch.bounds) - 1, int(batch.bounds[-1])
        if tokens > self.tokens or np.diff(batch.bounds).max() > self.longest:
            return False
        return pairs + len(self.filler_ends(tokens)) <= self.sequences

    def arrays(self, example: PackedBatch) -> Arrays:
        """Room for the inputs of any batch that fits, as the example has them: rows of tokens, and bounds."""
        rows: Arrays = {name: np.zeros(self.tokens, np.int64) for name in example.as_inputs()}
        return rows | {"bounds": np.zeros(self.sequences + 1, np.int32)}

    def fill(self, batch: PackedBatch, arrays: Arrays) -> slice:
        """Write its inputs, filled up, into `arrays`.

        The places of its pairs among the sequences come back. Those in front of them are empty, so that each begins at
        a token that is there; those behind are of zeros, which every table has a row for.
        """
        tokens, pairs = int(batch.bounds[-1]), len(batch.bounds) - 1
        for name, values in batch.as_inputs().items():
            arrays[name][:tokens] = values[0]
            arrays[name][tokens:] = 0
        ends = self.filler_ends(tokens)
        places = slice(self.sequences - len(ends) - pairs, self.sequences - len(ends))
        bounds = arrays["bounds"]
        bounds[: places.start] = 0
        bounds[places.start : places.stop + 1] = batch.bounds
        bounds[places.stop + 1 :] = ends
        return places
