"""Rows from JSON lines, by byte: any split of a file can be read alone."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import orjson

from bentorank.bulk.errors import DamagedFileError
from bentorank.bulk.inputs import RawRow, Split, open_lines
from bentorank.errors import MalformedBodyError, PayloadTooLargeError
from bentorank.http.routes.surrogates import replace_lone_surrogates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bentorank.bulk.inputs import InputFile
    from bentorank.bulk.order import Columns
    from bentorank.errors import InvalidRequestError

# Some hundred rows of fifty passages: enough to be worth an actor's while, and soon read over where a job goes on.
SPLIT_BYTES = 32 * 2**20
PIECE_BYTES = 2**20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def jsonl_splits(file: InputFile) -> list[Split]:
    """Where others may begin to read. A zipped file is one split."""
    if file.is_zipped:
        return [Split(file, 0, None)]
    starts = range(0, file.bytes, SPLIT_BYTES)
    return [Split(file, start, min(start + SPLIT_BYTES, file.bytes)) for start in starts]


def read_jsonl(split: Split, start: int, max_bytes: int) -> Iterator[RawRow]:
    """The rows of a split from `start` on. A line without anything in it is none; one that is too long is not read."""
    with open_lines(split.file) as lines, _damage_told(split.file):
        place = _to_next_line(lines, start)
        while split.stop is None or place < split.stop:
            line = lines.readline(max_bytes + 1)
            if not line:
                return
            length = len(line)
            value: object = None
            if length > max_bytes and not line.endswith(b"\n"):
                length += _skip_line(lines)
                value = _too_long(length, max_bytes)
            elif content := line.removeprefix(BYTE_ORDER_MARK).strip():
                value = _parse(content)
            if value is not None:
                yield RawRow(place, place + length, value)
            place += length


def first_id_is_text(file: InputFile, columns: Columns, max_bytes: int) -> bool:
    """Whether ids are texts, by the first row that has one; texts where none has."""
    for split in jsonl_splits(file):
        for row in read_jsonl(split, split.start, max_bytes):
            found = row.value.get(columns.id) if isinstance(row.value, dict) else None
            if isinstance(found, str | int):
                return isinstance(found, str)
    return True


@contextmanager
def _damage_told(file: InputFile) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise DamagedFileError(file.path) from None


def _to_next_line(lines: BinaryIO, start: int) -> int:
    """The place of the first line that begins at `start` or after it."""
    if start == 0:
        return 0
    lines.seek(start - 1)
    return start - 1 + _skip_line(lines)


def _skip_line(lines: BinaryIO) -> int:
    """How many bytes the rest of a line has, which are read over."""
    length = 0
    while piece := lines.readline(PIECE_BYTES):
        length += len(piece)
        if piece.endswith(b"\n"):
            break
    return length


def _too_long(length: int, max_bytes: int) -> InvalidRequestError:
    return PayloadTooLargeError(f"row: {length} bytes, more than the limit of {max_bytes}", field="row")


def _parse(line: bytes) -> object:
    try:
        parsed = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _mended(line, error)
    return parsed if isinstance(parsed, dict) else MalformedBodyError("row: must be a JSON object", field="row")


def _mended(line: bytes, error: orjson.JSONDecodeError) -> object:
    """What a line says that has halves of characters in it, which no parser takes."""
    malformed = MalformedBodyError(f"row: is not valid JSON: {error.msg} at byte {error.pos}", field="row")
    try:
        mended, halves = asyncio.run(replace_lone_surrogates(line))
    except MalformedBodyError:
        return malformed
    if not halves:
        return malformed
    try:
        parsed = orjson.loads(mended)
    except orjson.JSONDecodeError:
        return malformed
    return parsed if isinstance(parsed, dict) else malformed
