"""Token ids of queries and passages to pairs as a model reads them: those of a request in one buffer.

Under the GIL each pair counts: packing a list of ids into bytes takes a third of the time that numpy takes to read it,
and a view of what all pairs share less than an array of its own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_ID_BYTES = 8


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
        self._suffix = _packed(template.suffix)

    def head(self, query: list[int]) -> bytes:
        """All that stands before a passage: the same for every passage of the query."""
        return _packed([*self._template.prefix, *query, *self._template.middle])

    def join(
        self, heads: Sequence[bytes], passages: Sequence[list[int]]
    ) -> tuple[list[NDArray[np.int64]], Sequence[NDArray[np.int64] | None]]:
        """Ids and segments of each passage behind its head, shape (length,); None where the model takes no segments."""
        suffix = self._suffix
        joined = [part for head, ids in zip(heads, passages, strict=True) for part in (head, _packed(ids), suffix)]
        lengths = [(len(head) + len(suffix)) // _ID_BYTES + len(ids) for head, ids in zip(heads, passages, strict=True)]
        bounds = list(pairwise(accumulate(lengths, initial=0)))
        # Not bytes: torch wants arrays that could be written to.
        row = np.frombuffer(bytearray().join(joined), np.int64)
        input_ids = [row[start:end] for start, end in bounds]
        if not self._token_types:
            return input_ids, [None] * len(bounds)
        segments = self._segments(heads, passages)
        return input_ids, [segments[start:end] for start, end in bounds]

    def _segments(self, heads: Sequence[bytes], passages: Sequence[list[int]]) -> NDArray[np.int64]:
        """Of all pairs, one after the other."""
        prefix, middle, segments = len(self._template.prefix), len(self._template.middle), self._template.segments
        repeats = np.ones((len(heads), len(segments)), np.int64)
        repeats[:, prefix] = [len(head) // _ID_BYTES - prefix - middle for head in heads]
        repeats[:, prefix + 1 + middle] = [len(ids) for ids in passages]
        return np.repeat(np.tile(np.array(segments, np.int64), len(heads)), repeats.ravel())


def _packed(ids: list[int]) -> bytes:
    return _packer(len(ids))(*ids)


@cache  # a window has so many lengths and no more
def _packer(count: int) -> Callable[..., bytes]:
    return struct.Struct(f"{count}q").pack
