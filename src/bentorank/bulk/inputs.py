"""The input: which files, and the splits of them that are read one after the other, or each by another actor.

A place in a file is a byte of JSON lines, or a row of Parquet. A split is a run of places; its rows are those that
begin in it.
"""

from __future__ import annotations

import glob
import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bentorank.bulk.errors import BulkError
from bentorank.bulk.order import FileFormat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUFFIXES = {
    ".jsonl": FileFormat.JSONL,
    ".ndjson": FileFormat.JSONL,
    ".parquet": FileFormat.PARQUET,
    ".pq": FileFormat.PARQUET,
}
GZIP = ".gz"
PARQUET_MAGIC = b"PAR1"
# Both ends of a file say whether it is the one that it was: headers, the first rows, Parquet's footer.
DIGEST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file of rows, the how-many-th of the input."""

    number: int
    path: str
    format: FileFormat
    bytes: int

    @property
    def is_zipped(self) -> bool:
        """Its places are those of what is zipped."""
        return self.path.endswith(GZIP)

    def identity(self) -> dict[str, Any]:
        """What tells that it is still the same file, wherever it lies: its name, its size and both of its ends."""
        with Path(self.path).open("rb") as content:
            digest = hashlib.sha256(content.read(DIGEST_BYTES))
            content.seek(max(0, self.bytes - DIGEST_BYTES))
            digest.update(content.read(DIGEST_BYTES))
        return {"name": Path(self.path).name, "bytes": self.bytes, "digest": digest.hexdigest()[:32]}


@dataclass(frozen=True, slots=True)
class Split:
    """A run of places of a file. `stop` is None where nobody knows how much is zipped."""

    file: InputFile
    start: int
    stop: int | None

    @property
    def name(self) -> str:
        """Of all splits only this one has it."""
        return f"{self.file.number}:{self.start}"


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as it was read: an object, or what kept it from being one. `stop` is the place of the next."""

    place: int
    stop: int
    value: object


def find_files(patterns: Sequence[str], out: Path) -> list[InputFile]:
    """The files that are named, lie in a named folder or match a pattern, by name. Raises BulkError if there are none.

    As everywhere in data folders, names that begin with a dot or an underscore are not the data. Nor is what lies in
    the folder `out`.
    """
    paths = sorted({path for pattern in patterns for path in _paths(pattern, out.absolute())})
    files = [InputFile(number, str(path), _format(path), path.stat().st_size) for number, path in enumerate(paths)]
    formats = {file.format for file in files}
    if len(formats) > 1:
        raise BulkError("--in: holds both Parquet and JSON lines; rank them one after the other")
    return files


def _paths(pattern: str, out: Path) -> Iterator[Path]:
    path = Path(pattern)
    if path.is_file():
        yield path.absolute()
        return
    if path.is_dir():
        found = [inner for inner in path.rglob("*") if _is_data(inner, path)]
    else:
        found = [Path(name) for name in glob.glob(pattern, recursive=True) if Path(name).is_file()]  # noqa: PTH207 - a pattern may begin anywhere
    found = [inner.absolute() for inner in found if out not in inner.absolute().parents]
    if not found:
        what = "no .parquet, .pq, .jsonl or .ndjson file in it" if path.is_dir() else "no such file, folder or pattern"
        raise BulkError(f"--in {pattern}: {what}")
    yield from found


def _is_data(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    return not hidden and _suffix(path) in SUFFIXES and path.is_file()


def _suffix(path: Path) -> str:
    return Path(path.stem).suffix.lower() if path.suffix == GZIP else path.suffix.lower()


def _format(path: Path) -> FileFormat:
    """By its name; by its first bytes where that says nothing."""
    if known := SUFFIXES.get(_suffix(path)):
        return known
    with path.open("rb") as content:
        return FileFormat.PARQUET if content.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC else FileFormat.JSONL


def open_lines(file: InputFile) -> Any:  # noqa: ANN401 - either kind of binary file
    """The bytes of a file of JSON lines."""
    return gzip.open(file.path, "rb") if file.is_zipped else Path(file.path).open("rb")
