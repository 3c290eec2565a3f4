"""Reads files and standard input into what is ranked: lines that show something, or whole files."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from bentorank.ranking import is_empty
from bentorank.searching.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

STANDARD_INPUT = "(standard input)"
BYTE_ORDER_MARK = "\ufeff"
# What git and grep look at before they call a file binary is as short.
HEAD_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Source:
    """Something to read: `path` is None for standard input. `named` tells what was asked for from what was found."""

    name: str
    path: Path | None
    named: bool = True


@dataclass(frozen=True, slots=True)
class Passage:
    """What is ranked, and where it begins: a line of a file from 1, or all of it."""

    source: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read before any work: beyond it the search is refused, for part of an answer would be a wrong one."""

    max_bytes: int
    max_passages: int | None


@dataclass(slots=True)
class Reading:
    """What was read. `failures` are sentences about what could not be, `remarks` about what was left out or changed."""

    passages: list[Passage] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    binary_found: int = 0

    def all_remarks(self) -> list[str]:
        """One for each file that was named, and one for all that were only found."""
        if not self.binary_found:
            return self.remarks
        files = "1 binary file was" if self.binary_found == 1 else f"{self.binary_found:,} binary files were"
        return [*self.remarks, f"{files} left out"]


def read_passages(sources: Iterable[Source], limits: Limits, *, whole: bool) -> Reading:
    """Lines, or `whole` files. Raises SearchError where there is more than the limits allow."""
    reading = Reading()
    bytes_left = limits.max_bytes
    for source in sources:
        try:
            content = _read(source, bytes_left)
        except OSError as error:
            reading.failures.append(f"{source.name}: {error.strerror}")
            continue
        if content is None:
            _leave_out(source, reading)
            continue
        bytes_left -= len(content)
        if bytes_left < 0:
            raise SearchError(
                f"more than {limits.max_bytes:,} bytes up to {source.name}: name less, or raise --max-bytes"
            )
        reading.passages.extend(_passages(source, content, reading, whole=whole))
        if limits.max_passages is not None and len(reading.passages) > limits.max_passages:
            raise SearchError(
                f"more than {limits.max_passages:,} {'files' if whole else 'lines'} up to {source.name}: name less,"
                " raise --max-lines, or let --preselect choose which the model reads"
            )
    return reading


def _read(source: Source, most: int) -> bytes | None:
    """At most one byte more than `most`; None of a binary file, of which only the head is read if it shows there."""
    if source.path is None:
        return _read_text(sys.stdin.buffer, most)
    with source.path.open("rb") as file:
        return _read_text(file, most)


def _read_text(file: BinaryIO, most: int) -> bytes | None:
    head = file.read(HEAD_BYTES)
    if b"\0" in head:
        return None
    content = head + file.read(max(0, most + 1 - len(head)))
    return None if b"\0" in content else content


def _leave_out(source: Source, reading: Reading) -> None:
    if source.named:
        reading.remarks.append(f"{source.name}: binary file, left out")
    else:
        reading.binary_found += 1


def _passages(source: Source, content: bytes, reading: Reading, *, whole: bool) -> Iterator[Passage]:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode(errors="replace")
        reading.remarks.append(f"{source.name}: not all of it is UTF-8; what is not reads as \ufffd")
    text = text.removeprefix(BYTE_ORDER_MARK)
    # Only what other tools count as the end of a line: `splitlines` knows more of them.
    pieces = [text] if whole else text.split("\n")
    for number, piece in enumerate(pieces, start=1):
        if not is_empty(piece):
            yield Passage(source.name, number, piece if whole else piece.removesuffix("\r"))
