"""From what was read to what can be ranked: a row with a job, or the reason why it is set aside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bentorank.errors import BentorankError, InvalidRequestError, PayloadTooLargeError
from bentorank.http.dialects.native import NATIVE
from bentorank.http.routes.body import read_as
from bentorank.types import OnDeadline, RerankJob

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bentorank.bulk.inputs import RawRow
    from bentorank.bulk.order import Columns, Order

RowId = str | int

MAX_ID_CHARS = 1000
ID_BITS = 63
# There is nobody to wait for an answer.
NO_DEADLINE = float("inf")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row to rank. A `job` without documents is ranked already."""

    place: int
    id: RowId
    job: RerankJob | None
    text_chars: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that is set aside. The reason names the field and the limit, never what the row says.

    `id` is None where it is what is wrong.
    """

    place: int
    id: RowId | None
    code: str
    field: str | None
    reason: str

    @classmethod
    def of(cls, place: int, row_id: RowId | None, error: BentorankError) -> Rejection:
        """The row that `error` is about."""
        return cls(place, row_id, error.code, getattr(error, "field", None), error.message)


class RowReader:
    """Checks rows by the rules of an order."""

    def __init__(self, order: Order) -> None:
        self._order = order

    def read(self, raw: RawRow) -> Candidate | Rejection:
        """What the row asks for, or why it cannot be ranked."""
        if isinstance(raw.value, BentorankError):
            return Rejection.of(raw.place, None, raw.value)
        assert isinstance(raw.value, dict), "bug: a row is an object or an error"
        row_id: RowId | None = None
        try:
            row_id = _id_of(raw.value, self._order.columns, self._order.id_is_text)
            return self._candidate(raw.place, row_id, raw.value)
        except BentorankError as error:
            return Rejection.of(raw.place, row_id, error)

    def _candidate(self, place: int, row_id: RowId, row: Mapping[str, Any]) -> Candidate:
        columns, reading = self._order.columns, self._order.reading
        query, documents = row.get(columns.query), row.get(columns.documents)
        if documents == []:
            self._order.rules.limits.check_query(_text(query))
            return Candidate(place, row_id, None, 0)
        self._order.rules.limits.check_count(documents, "documents")
        asked = {
            "query": query,
            "documents": documents,
            "instruction": row.get(columns.instruction),
            "top_n": reading.top_n,
            "score_mode": reading.score_mode.value,
            "score_threshold": reading.score_threshold,
            "max_tokens_per_doc": reading.max_tokens_per_doc,
            "max_chunks_per_doc": reading.max_chunks_per_doc,
            "overlap_tokens": reading.overlap_tokens,
            "on_deadline": OnDeadline.ERROR.value,
            "on_item_error": reading.on_item_error.value,
            "first_stage": reading.first_stage,
            "keep": reading.keep,
        }
        job = NATIVE.to_job(read_as(NATIVE.body, asked), self._order.rules, NO_DEADLINE)
        return Candidate(place, row_id, job, self._size(job))

    def _size(self, job: RerankJob) -> int:
        """Characters of the job's documents. Raises PayloadTooLargeError for too many of them together."""
        size = sum(len(document.content) for document in job.documents)
        if size > self._order.limits.max_bytes:
            raise PayloadTooLargeError(
                f"documents: {size} characters together, more than the limit of {self._order.limits.max_bytes}",
                field="documents",
            )
        return size + len(job.query) * len(job.documents)


def _text(query: object) -> str:
    if not isinstance(query, str):
        raise InvalidRequestError("query: must be a valid string", field="query")
    return query


def _id_of(row: Mapping[str, Any], columns: Columns, is_text: bool | None) -> RowId:  # noqa: FBT001 - None is either
    """The row's id. Raises InvalidRequestError for one that could not be written back as it is."""
    found = row.get(columns.id)
    if found is None:
        raise InvalidRequestError("id: is required", field="id")
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise InvalidRequestError("id: must be a text or a whole number", field="id")
    if is_text is not None and isinstance(found, str) is not is_text:
        kind = "a text" if is_text else "a whole number"
        raise InvalidRequestError(f"id: must be {kind}, as the first row's is", field="id")
    if isinstance(found, int) and found.bit_length() > ID_BITS:
        raise InvalidRequestError("id: a whole number must have 64 bits at most", field="id")
    if isinstance(found, str) and len(found) > MAX_ID_CHARS:
        raise InvalidRequestError(f"id: {len(found)} characters, more than the limit of {MAX_ID_CHARS}", field="id")
    return found
