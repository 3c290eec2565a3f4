"""Buckets for causal rows, in which each stretch of tokens sees keys of its own choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from bentorank.engines.torch.buckets import BucketSize

if TYPE_CHECKING:
    from bentorank.engines.torch.causal_rows import GatheredRow
    from bentorank.engines.torch.input_memory import Arrays

# A head of 74 tokens before documents of 47 takes 2.6 keys a token; a larger bucket has room for the keys of more.
KEYS_A_TOKEN: Final = 3


@dataclass(frozen=True, slots=True)
class CausalBucket(BucketSize):
    """For causal rows: a sequence is a stretch, and reads the keys that it sees."""

    @property
    def keys(self) -> int:
        """Those that all stretches see may be so many."""
        return KEYS_A_TOKEN * self.tokens

    def fits(self, row: GatheredRow) -> bool:
        """Whether the row can be filled up to this."""
        tokens = len(row.input_ids)
        if tokens > self.tokens or row.longest > self.longest or len(row.keys) + self.tokens - tokens > self.keys:
            return False
        return len(row.own) - 1 + len(self.filler_ends(tokens)) <= self.sequences

    def arrays(self, _example: GatheredRow) -> Arrays:
        """Room for any row that fits."""
        return {
            "input_ids": np.zeros(self.tokens, np.int64),
            "position_ids": np.zeros(self.tokens, np.int64),
            "ends": np.zeros(self.sequences, np.int64),
            "keys": np.zeros(self.keys, np.int64),
            "own": np.zeros(self.sequences + 1, np.int32),
            "seen": np.zeros(self.sequences + 1, np.int32),
        }

    def fill(self, row: GatheredRow, arrays: Arrays) -> slice:
        """Write it, filled up, into `arrays`; the places of its pairs among the scores come back.

        What fills it sees itself alone. Stretches behind that are empty, and scores behind those of pairs are of some
        token that is there.
        """
        tokens, keys, stretches = len(row.input_ids), len(row.keys), len(row.own) - 1
        for name, values in row.as_arrays().items():
            arrays[name][: len(values)] = values
            arrays[name][len(values) :] = 0
        arrays["keys"][keys : keys + self.tokens - tokens] = np.arange(tokens, self.tokens)
        ends = self.filler_ends(tokens)
        for name, before in ("own", 0), ("seen", keys - tokens):
            filled = stretches + 1 + len(ends)
            arrays[name][stretches + 1 : filled] = before + ends
            arrays[name][filled:] = before + self.tokens
        return slice(0, len(row.ends))
