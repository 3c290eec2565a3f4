"""What became of a row that was ranked, and what many of them came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bentorank.bulk.rows import RowId
    from bentorank.types import FirstStageUsage, RankedDocument


@dataclass(frozen=True, slots=True)
class RankedRow:
    """A row's documents in order of relevance, best first, and what that cost. `documents` is how many it had.

    `tokens` are those that the model read; what its `first_stage` read is told apart.
    """

    id: RowId
    results: tuple[RankedDocument, ...] = ()
    query_truncated: bool = False
    documents: int = 0
    tokens: int = 0
    truncated: int = 0
    empty: int = 0
    unscored: int = 0
    ignored_instruction: bool = False
    first_stage: FirstStageUsage | None = None


@dataclass(slots=True)
class Counts:
    """What rows came to. `rejected_for` has how many were set aside, by code and field."""

    rows: int = 0
    ranked: int = 0
    documents: int = 0
    tokens: int = 0
    truncated_documents: int = 0
    truncated_queries: int = 0
    empty_documents: int = 0
    unscored_documents: int = 0
    ignored_instructions: int = 0
    pruned_documents: int = 0
    first_stage_pairs: int = 0
    first_stage_tokens: int = 0
    rejected_for: Counter[str] = field(default_factory=Counter)

    @property
    def rejected(self) -> int:
        """Rows that were set aside."""
        return self.rejected_for.total()

    def add_ranked(self, row: RankedRow) -> None:
        """Count a row that was ranked."""
        self.rows += 1
        self.ranked += 1
        self.documents += row.documents
        self.tokens += row.tokens
        self.truncated_documents += row.truncated
        self.truncated_queries += row.query_truncated
        self.empty_documents += row.empty
        self.unscored_documents += row.unscored
        self.ignored_instructions += row.ignored_instruction
        if row.first_stage is not None:
            self.pruned_documents += row.first_stage.pruned_documents
            self.first_stage_pairs += row.first_stage.pairs
            self.first_stage_tokens += row.first_stage.tokens

    def add_rejected(self, reason: str) -> None:
        """Count a row that was set aside."""
        self.rows += 1
        self.rejected_for[reason] += 1

    def add(self, other: Counts) -> None:
        """Count what others have counted."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def as_json(self) -> dict[str, Any]:
        """By name."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, counted: Mapping[str, Any]) -> Counts:
        """What `as_json` said."""
        return cls(**{**counted, "rejected_for": Counter(counted["rejected_for"])})
