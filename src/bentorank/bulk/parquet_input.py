"""Rows from Parquet, by number: a split is some row groups, of which only the columns that count are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bentorank.bulk.errors import BulkError, DamagedFileError
from bentorank.bulk.extras import pyarrow
from bentorank.bulk.inputs import RawRow, Split
from bentorank.errors import MalformedBodyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bentorank.bulk.inputs import InputFile
    from bentorank.bulk.order import Columns

# Smaller row groups are read together.
LEAST_SPLIT_ROWS = 1000
# Rows that are decoded at a time: a few megabytes of passages.
BATCH_ROWS = 32
# So a column of a row group is read by pages, not whole.
BUFFER_BYTES = 2**20


def parquet_splits(file: InputFile, columns: Columns) -> list[Split]:
    """Runs of row groups. Raises BulkError for a file that is none, or lacks a column."""
    with _open(file) as table:
        _check_columns(table.schema_arrow, file, columns)
        groups = [table.metadata.row_group(number).num_rows for number in range(table.metadata.num_row_groups)]
    splits, start, stop = [], 0, 0
    for position, rows in enumerate(groups, start=1):
        stop += rows
        if stop - start >= LEAST_SPLIT_ROWS or (position == len(groups) and stop > start):
            splits.append(Split(file, start, stop))
            start = stop
    return splits


def ids_are_text(file: InputFile, columns: Columns) -> bool:
    """Whether the file's ids are texts, not whole numbers."""
    types = pyarrow("types")
    with _open(file) as table:
        kind = table.schema_arrow.field(columns.id).type
    return not types.is_integer(_decoded(kind))


def read_parquet(split: Split, start: int, columns: Columns) -> Iterator[RawRow]:
    """The rows of a split from row `start` of its file on."""
    with _open(split.file) as table:
        groups, place = _groups_from(table.metadata, start, split.stop)
        present = [name for name in (*columns.required, columns.instruction) if name in table.schema_arrow.names]
        batches = table.iter_batches(BATCH_ROWS, row_groups=groups, columns=present, use_threads=False)
        for batch in _batches(batches, split.file):
            skipped = min(batch.num_rows, max(0, start - place))
            for value in _rows(batch.slice(skipped)):
                yield RawRow(place + skipped, place + skipped + 1, value)
                place += 1
            place += skipped


def _open(file: InputFile) -> Any:  # noqa: ANN401 - pyarrow has no types
    parquet, lib = pyarrow("parquet"), pyarrow("lib")
    try:
        return parquet.ParquetFile(file.path, buffer_size=BUFFER_BYTES, pre_buffer=False)
    except lib.ArrowException:
        raise BulkError(f"{file.path}: is not a Parquet file that can be read") from None


def _check_columns(schema: Any, file: InputFile, columns: Columns) -> None:  # noqa: ANN401 - as above
    types = pyarrow("types")
    for field, name in zip(("id", "query", "documents"), columns.required, strict=True):
        if name not in schema.names:
            raise BulkError(f"{file.path}: has no column {name}; --{field}-column names another")
    kind = _decoded(schema.field(columns.id).type)
    if not (types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind)):
        raise BulkError(f"{file.path}: the column {columns.id} holds neither texts nor whole numbers, but {kind}")


def _decoded(kind: Any) -> Any:  # noqa: ANN401 - as above
    return kind.value_type if pyarrow("types").is_dictionary(kind) else kind


def _groups_from(metadata: Any, start: int, stop: int | None) -> tuple[list[int], int]:  # noqa: ANN401 - as above
    """The row groups between two rows, and the row that the first of them begins with."""
    chosen: list[int] = []
    first, begins = 0, 0
    for number in range(metadata.num_row_groups):
        ends = begins + metadata.row_group(number).num_rows
        if ends > start and (stop is None or begins < stop):
            first = first if chosen else begins
            chosen.append(number)
        begins = ends
    return chosen, first


def _batches(batches: Iterator[Any], file: InputFile) -> Iterator[Any]:
    lib = pyarrow("lib")
    try:
        yield from batches
    except (lib.ArrowException, OSError):
        raise DamagedFileError(file.path) from None


def _rows(batch: Any) -> list[object]:  # noqa: ANN401 - as above
    try:
        return batch.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        return [_row(batch.slice(position, 1)) for position in range(batch.num_rows)]


def _row(batch: Any) -> object:  # noqa: ANN401 - as above
    try:
        return batch.to_pylist()[0]
    except UnicodeDecodeError:
        return MalformedBodyError("row: has text that is not UTF-8", field="row")
