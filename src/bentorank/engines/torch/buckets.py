"""The sizes that packed batches are filled up to, so that one recorded launch serves all batches of about one size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from bentorank.engines.collation import PackedBatch
    from bentorank.engines.torch.input_memory import Arrays

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
        fillers = self._fillers(tokens)
        places = slice(self.sequences - fillers - pairs, self.sequences - fillers)
        bounds = arrays["bounds"]
        bounds[: places.start] = 0
        bounds[places.start : places.stop + 1] = batch.bounds
        bounds[places.stop + 1 :] = filler_ends(tokens, self.tokens, self.longest)
        return places

    def _fillers(self, tokens: int) -> int:
        return len(filler_ends(tokens, self.tokens, self.longest))


def filler_ends(begin: int, end: int, longest: int) -> list[int]:
    """Where the fewest sequences end that fill a row from `begin` to `end`, none of more than `longest` tokens."""
    return [*range(begin + longest, end, longest), end] if begin < end else []


def bucket_sizes(tokens: int) -> list[int]:
    """In rising order up to `tokens`: multiples of STEP_TOKENS, four to a doubling.

    From 1,024 tokens on, at most a fifth of what is computed is filling.
    """
    sizes = (quarters << doublings for doublings in range(tokens.bit_length()) for quarters in (4, 5, 6, 7))
    return [size for size in sizes if size % STEP_TOKENS == 0 and size <= tokens]


def buckets_up_to(tokens: int, window: int) -> list[Bucket]:
    """In rising order, for pairs within `window`."""
    return [Bucket(size, sequences_of(size), min(window, size, LONGEST_SEQUENCE)) for size in bucket_sizes(tokens)]


def sequences_of(tokens: int) -> int:
    """Places for sequences in a bucket."""
    return max(FEWEST_SEQUENCES, tokens // TOKENS_A_SEQUENCE)
