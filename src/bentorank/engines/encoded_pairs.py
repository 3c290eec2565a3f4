"""Encoded pairs in columns: a list for each of their facts, instead of an object for each pair.

Under the GIL each object counts. Lists are ordered and cut in C, and ids are joined once, in the order of a batch.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from itertools import accumulate, chain, pairwise
from typing import TYPE_CHECKING, NamedTuple, Self, TypeGuard, TypeVar

import numpy as np

from bentorank.columns import Columns
from bentorank.types import EncodedPair, Mark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bentorank.engines.joining import PairJoiner

T = TypeVar("T")


class Row(NamedTuple):
    """Pairs one after the other: int64 arrays of shape (tokens,); segments where the model takes them."""

    input_ids: NDArray[np.int64]
    token_type_ids: NDArray[np.int64] | None


class EncodedPairs(Columns[EncodedPair]):
    """Pairs of a request or a batch, which need not be there as objects.

    `lengths` are their tokens, special ones included.
    """

    __slots__ = ("lengths",)

    lengths: list[int]

    def __len__(self) -> int:
        return len(self.lengths)

    def part(self, places: slice) -> Self:
        """See Columns."""
        return self.at(range(len(self))[places])

    @property
    @abstractmethod
    def marks(self) -> list[Mark]:
        """What is known of each beside its tokens."""

    @abstractmethod
    def at(self, places: Sequence[int]) -> Self:
        """Those at the places, in their order."""

    @abstractmethod
    def row(self) -> Row:
        """All of them, joined."""


class PairColumns(EncodedPairs):
    """Pairs whose parts lie apart until a batch is made of them: what stands before each passage, and the passage.

    Both are int64 token ids. What follows a passage is the `joiner`'s.
    """

    __slots__ = ("_marks", "heads", "joiner", "passages")

    def __init__(
        self,
        joiner: PairJoiner,
        *,
        heads: list[memoryview],
        passages: list[memoryview],
        marks: list[Mark],
        lengths: list[int],
    ) -> None:
        self.joiner = joiner
        self.heads = heads
        self.passages = passages
        self._marks = marks
        self.lengths = lengths

    @property
    def marks(self) -> list[Mark]:
        """See EncodedPairs."""
        return self._marks

    def at(self, places: Sequence[int]) -> Self:
        """See EncodedPairs."""
        heads, passages, marks, lengths = self.heads, self.passages, self._marks, self.lengths
        return type(self)(
            self.joiner,
            heads=[heads[place] for place in places],
            passages=[passages[place] for place in places],
            marks=[marks[place] for place in places],
            lengths=[lengths[place] for place in places],
        )

    def row(self) -> Row:
        """See EncodedPairs."""
        return self.joiner.join(self.heads, self.passages)

    def one(self, place: int) -> EncodedPair:
        """See Columns."""
        head = self.heads[place]
        input_ids, token_type_ids = self.joiner.join([head], [self.passages[place]])
        truncated, query_truncated, span = self._marks[place]
        return EncodedPair(input_ids, token_type_ids, truncated, query_truncated, span, len(head))


class PairObjects(EncodedPairs):
    """Pairs that are objects already: those of prompts that were changed after they were joined, and of tests."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Sequence[EncodedPair]) -> None:
        self._pairs = pairs
        self.lengths = [len(pair.input_ids) for pair in pairs]

    @property
    def marks(self) -> list[Mark]:
        """See EncodedPairs."""
        return [Mark(pair.truncated, pair.query_truncated, pair.span) for pair in self._pairs]

    def at(self, places: Sequence[int]) -> Self:
        """See EncodedPairs."""
        return type(self)([self._pairs[place] for place in places])

    def row(self) -> Row:
        """See EncodedPairs."""
        ids = np.concatenate([pair.input_ids for pair in self._pairs])
        segments = [pair.token_type_ids for pair in self._pairs if pair.token_type_ids is not None]
        return Row(ids, np.concatenate(segments) if segments else None)

    def one(self, place: int) -> EncodedPair:
        """See Columns."""
        return self._pairs[place]


def as_encoded_pairs(pairs: Sequence[EncodedPair]) -> EncodedPairs:
    """Any sequence of pairs."""
    return pairs if isinstance(pairs, EncodedPairs) else PairObjects(pairs)


def all_of(parts: Sequence[EncodedPairs]) -> EncodedPairs:
    """The pairs of all parts, one after the other. There is one part at least."""
    if len(parts) == 1:
        return parts[0]
    if not _are_alike(parts):
        return PairObjects([*chain.from_iterable(parts)])
    return PairColumns(
        parts[0].joiner,
        heads=[head for part in parts for head in part.heads],
        passages=[passage for part in parts for passage in part.passages],
        marks=[mark for part in parts for mark in part.marks],
        lengths=[length for part in parts for length in part.lengths],
    )


def _are_alike(parts: Sequence[EncodedPairs]) -> TypeGuard[Sequence[PairColumns]]:
    """Whether all are columns, with the same special tokens."""
    joiners = {part.joiner if isinstance(part, PairColumns) else None for part in parts}
    return len(joiners) == 1 and None not in joiners


class EncodedChunks(Columns[Sequence[EncodedPair]]):
    """The chunks of each of some passages. `pairs` are the chunks of all; `counts` says how many each has."""

    __slots__ = ("_bounds", "counts", "pairs")

    def __init__(self, pairs: EncodedPairs, counts: list[int] | None = None) -> None:
        """Without `counts` each passage has one chunk."""
        self.pairs = pairs
        self.counts = None if counts is None or counts.count(1) == len(counts) else counts
        self._bounds = range(len(pairs) + 1) if self.counts is None else [*accumulate(self.counts, initial=0)]

    @classmethod
    def of(cls, chunks: Sequence[Sequence[EncodedPair]]) -> EncodedChunks:
        """Any sequence of passages' chunks."""
        if isinstance(chunks, cls):
            return chunks
        return cls(PairObjects([*chain.from_iterable(chunks)]), list(map(len, chunks)))

    @classmethod
    def joined(cls, parts: Sequence[EncodedChunks]) -> EncodedChunks:
        """Those of some passages, one after the other. There is one part at least."""
        if len(parts) == 1:
            return parts[0]
        counts = [count for part in parts for count in part.counts or [1] * len(part)]
        return cls(all_of([part.pairs for part in parts]), counts)

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def one(self, place: int) -> EncodedPairs:
        """See Columns."""
        place = range(len(self))[place]
        return self.pairs[self._bounds[place] : self._bounds[place + 1]]

    def part(self, places: slice) -> Self:
        """See Columns. They follow one another."""
        start, stop, step = places.indices(len(self))
        assert step == 1, "bug: passages out of order"
        own = None if self.counts is None else self.counts[start:stop]
        return type(self)(self.pairs[self._bounds[start] : self._bounds[max(start, stop)]], own)

    def split(self, values: Sequence[T]) -> Iterator[Sequence[T]]:
        """What belongs to the chunks of each passage, of what belongs to all chunks."""
        return (values[start:end] for start, end in pairwise(self._bounds))
