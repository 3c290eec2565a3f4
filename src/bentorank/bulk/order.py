"""What a job is asked to do. What of it changes an answer is kept with the output, and may not change on the way."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bentorank.bulk.errors import BulkError
from bentorank.errors import NoFirstStageError
from bentorank.types import OnItemError, ScoreMode

if TYPE_CHECKING:
    from bentorank.http.dialects.dialect import JobRules
    from bentorank.types import Cascade

# What a kill costs at most, in rows: some seconds of a GPU. A CPU ends its parts by the clock.
DEFAULT_PART_ROWS = 1000


class FileFormat(StrEnum):
    """How rows stand in files."""

    PARQUET = "parquet"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class Columns:
    """The names that the input gives its columns, or its objects' keys."""

    id: str = "id"
    query: str = "query"
    documents: str = "documents"
    instruction: str = "instruction"

    @property
    def required(self) -> tuple[str, str, str]:
        """Those that every row has."""
        return self.id, self.query, self.documents


@dataclass(frozen=True, slots=True)
class Reading:
    """How every row is read and presented; see the fields of a request of the same names."""

    top_n: int | None = None
    score_mode: ScoreMode = ScoreMode.PROBABILITY
    score_threshold: float | None = None
    max_tokens_per_doc: int | None = None
    max_chunks_per_doc: int | None = None
    overlap_tokens: int | None = None
    on_item_error: OnItemError = OnItemError.ERROR
    first_stage: str | None = None
    keep: int | None = None


@dataclass(frozen=True, slots=True)
class RowLimits:
    """What one row may have at most, beside what the rules for requests say."""

    max_bytes: int
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Order:
    """One job's rules for its rows. `id_format` is what ids are, where one column has to hold them all."""

    rules: JobRules
    limits: RowLimits
    output: FileFormat
    id_is_text: bool | None
    columns: Columns = field(default_factory=Columns)
    reading: Reading = field(default_factory=Reading)
    part_rows: int = DEFAULT_PART_ROWS

    @property
    def cascade(self) -> Cascade | None:
        """What prunes the rows, as they or the settings ask. Raises BulkError where there is nothing to keep from."""
        reading = self.reading
        try:
            return self.rules.cascade(reading.first_stage, reading.keep, top_n=reading.top_n)
        except NoFirstStageError:
            raise BulkError("--keep says how many documents a first stage keeps: name one by --first-stage") from None

    def asked(self) -> dict[str, Any]:
        """All that decides what becomes of a row, by the names that the command and the settings give it."""
        limits, cascade = self.rules.limits, self.cascade
        return {
            **{f"{name}_column": value for name, value in asdict(self.columns).items()},
            **asdict(self.reading),
            "first_stage": cascade and cascade.first_stage,
            "keep": cascade and cascade.keep,
            "format": self.output,
            "overflow": self.rules.overflow,
            "query_overflow": "truncate" if self.rules.cut_query else "error",
            "max_documents": limits.max_documents,
            "max_document_chars": limits.max_document_chars,
            "max_query_chars": limits.max_query_chars,
            "max_body_bytes": self.limits.max_bytes,
            "max_request_tokens": self.limits.max_tokens,
        }
