"""A request's documents in columns: they are there as objects only where somebody asks for one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar, overload

from bentorank.types import Document, Pair, ScoredChunk, ScoredDocument

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bentorank.types import Mark


Metadata: TypeAlias = "Sequence[Mapping[str, Any] | None]"
T = TypeVar("T")


class Columns(Sequence[T]):
    """A sequence whose members are made where somebody asks for one."""

    __slots__ = ()

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> T | Self:
        return self.part(index) if isinstance(index, slice) else self.one(index)

    @abstractmethod
    def one(self, place: int) -> T:
        """That at a place. Raises IndexError."""

    @abstractmethod
    def part(self, places: slice) -> Self:
        """Those at the places, in columns too."""


class Documents(Columns[Document]):
    """Documents by their `contents`; without `metadata` none has any."""

    __slots__ = ("contents", "metadata")

    def __init__(self, contents: list[str], metadata: Metadata | None = None) -> None:
        self.contents = contents
        self.metadata = metadata

    def __len__(self) -> int:
        return len(self.contents)

    def one(self, place: int) -> Document:
        """See Columns."""
        return Document(self.contents[place], None if self.metadata is None else self.metadata[place])

    def part(self, places: slice) -> Self:
        """See Columns."""
        return type(self)(self.contents[places], None if self.metadata is None else self.metadata[places])


def contents_of(documents: Sequence[Document]) -> list[str]:
    """The passages."""
    return documents.contents if isinstance(documents, Documents) else [document.content for document in documents]


def metadata_of(documents: Sequence[Document]) -> Metadata | None:
    """What each has beside its passage; None where none has anything."""
    return documents.metadata if isinstance(documents, Documents) else [document.metadata for document in documents]


class TextPairs(Columns[Pair]):
    """Pairs by their `queries` and `passages`."""

    __slots__ = ("passages", "queries")

    def __init__(self, queries: list[str], passages: list[str]) -> None:
        self.queries = queries
        self.passages = passages

    @classmethod
    def of_query(cls, query: str, passages: list[str]) -> TextPairs:
        """One query beside each of some passages."""
        return cls([query] * len(passages), passages)

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> TextPairs:
        """Any sequence of pairs."""
        return pairs if isinstance(pairs, cls) else cls([pair[0] for pair in pairs], [pair[1] for pair in pairs])

    def at(self, places: Sequence[int]) -> TextPairs:
        """Those at the places, in their order."""
        return TextPairs([self.queries[place] for place in places], [self.passages[place] for place in places])

    def __len__(self) -> int:
        return len(self.passages)

    def one(self, place: int) -> Pair:
        """See Columns."""
        return Pair(self.queries[place], self.passages[place])

    def part(self, places: slice) -> Self:
        """See Columns."""
        return type(self)(self.queries[places], self.passages[places])


class WholeDocuments(Columns[ScoredDocument]):
    """Documents that the model scored, each as one chunk that was not to be split, by their `logits` and `marks`."""

    __slots__ = ("logits", "marks")

    def __init__(self, logits: list[float], marks: list[Mark]) -> None:
        self.logits = logits
        self.marks = marks

    def __len__(self) -> int:
        return len(self.logits)

    def one(self, place: int) -> ScoredDocument:
        """See Columns."""
        return _whole(self.logits[place], self.marks[place])

    def part(self, places: slice) -> Self:
        """See Columns."""
        return type(self)(self.logits[places], self.marks[places])

    def __iter__(self) -> Iterator[ScoredDocument]:
        return map(_whole, self.logits, self.marks)


def _whole(logit: float, mark: Mark) -> ScoredDocument:
    return ScoredDocument((ScoredChunk(logit, mark.truncated),), mark.query_truncated)
