"""Token ids of queries and passages to pairs as a model reads them: those of a batch in one buffer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING

import numpy as np

from bentorank.engines.encoded_pairs import Row
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
        self.suffix_tokens = len(template.suffix)

    def head(self, query: Sequence[int]) -> memoryview:
        """All that stands before a passage: the same for every passage of the query."""
        return as_buffer([*self._template.prefix, *query, *self._template.middle])

    def join(self, heads: Sequence[memoryview], passages: Sequence[memoryview]) -> Row:
        """Each passage behind its head."""
        parts = chain.from_iterable(zip(heads, passages, repeat(self._suffix)))
        # Not bytes: torch wants arrays that could be written to.
        ids = np.frombuffer(bytearray().join(parts), np.int64)
        return Row(ids, self._segments(heads, passages) if self._token_types else None)

    def _segments(self, heads: Sequence[memoryview], passages: Sequence[memoryview]) -> NDArray[np.int64]:
        """Of all pairs, one after the other."""
        prefix, middle, segments = len(self._template.prefix), len(self._template.middle), self._template.segments
        repeats = np.ones((len(heads), len(segments)), np.int64)
        repeats[:, prefix] = [len(head) - prefix - middle for head in heads]
        repeats[:, prefix + 1 + middle] = list(map(len, passages))
        return np.repeat(np.tile(np.array(segments, np.int64), len(heads)), repeats.ravel())
