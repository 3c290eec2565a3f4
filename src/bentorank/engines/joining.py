"""Token ids of queries and passages to pairs as a model reads them: those of a request in one buffer.

Under the GIL each pair counts: a view of what all pairs share takes less than an array of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np

from bentorank.engines.token_buffer import as_buffer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PairTemplate:
    """The special tokens around a pair; `segments` has that of each of them, and one each for query and passage.

    So many tokens of the window as are `reserved` are left free.
    """

    prefix: list[int]
    middle: list[int]
    suffix: list[int]
    segments: list[int]
    reserved: int = 0

    @property
    def special_ids(self) -> list[int]:
        """The tokens of every pair that are not text."""
        return [*self.prefix, *self.middle, *self.suffix]

    @property
    def special_tokens(self) -> int:
        """How many tokens of every pair are not text."""
        return len(self.special_ids)


class PairJoiner:
    """Puts the special tokens of a template around queries and passages."""

    def __init__(self, template: PairTemplate, *, token_types: bool) -> None:
        self._template = template
        self._token_types = token_types
        self._suffix = as_buffer(template.suffix)

    def head(self, query: Sequence[int]) -> memoryview:
        """All that stands before a passage: the same for every passage of the query."""
        return as_buffer([*self._template.prefix, *query, *self._template.middle])

    def join(
        self, heads: Sequence[memoryview], passages: Sequence[memoryview]
    ) -> tuple[list[NDArray[np.int64]], Sequence[NDArray[np.int64] | None]]:
        """Ids and segments of each passage behind its head, shape (length,); None where the model takes no segments."""
        suffix = self._suffix
        joined = [part for head, ids in zip(heads, passages, strict=True) for part in (head, ids, suffix)]
        lengths = [len(head) + len(ids) + len(suffix) for head, ids in zip(heads, passages, strict=True)]
        bounds = list(pairwise(accumulate(lengths, initial=0)))
        # Not bytes: torch wants arrays that could be written to.
        row = np.frombuffer(bytearray().join(joined), np.int64)
        input_ids = [row[start:end] for start, end in bounds]
        if not self._token_types:
            return input_ids, [None] * len(bounds)
        segments = self._segments(heads, passages)
        return input_ids, [segments[start:end] for start, end in bounds]

    def _segments(self, heads: Sequence[memoryview], passages: Sequence[memoryview]) -> NDArray[np.int64]:
        """Of all pairs, one after the other."""
        prefix, middle, segments = len(self._template.prefix), len(self._template.middle), self._template.segments
        repeats = np.ones((len(heads), len(segments)), np.int64)
        repeats[:, prefix] = [len(head) - prefix - middle for head in heads]
        repeats[:, prefix + 1 + middle] = [len(ids) for ids in passages]
        return np.repeat(np.tile(np.array(segments, np.int64), len(heads)), repeats.ravel())
