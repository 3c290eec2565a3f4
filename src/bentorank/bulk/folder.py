"""The output's folder: finished parts, and under `_bulk` what it takes to go on after a crash, each row exactly once.

A part is committed when its line stands in the journal; what a crash leaves beyond that is made anew. Only the process
that holds the lock writes here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import orjson
from filelock import FileLock, Timeout

from bentorank.bulk.answers import Counts
from bentorank.bulk.errors import BulkError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from bentorank.bulk.inputs import Split
    from bentorank.bulk.order import FileFormat
    from bentorank.bulk.parts import Part

# Readers of data folders pass over names that begin so.
OURS = "_bulk"
LAYOUT = 1
SCRATCH = ".scratch-"


@dataclass(slots=True)
class _Progress:
    """How far a split is done."""

    stop: int
    is_done: bool = False


class OutFolder:
    """One job's output. Opening it locks it, and takes back what was not committed."""

    def __init__(self, folder: Path, output: FileFormat) -> None:
        self._folder = folder
        self._suffix = f".{output}"
        self._ours = folder / OURS
        self._journal_path = self._ours / "journal.jsonl"
        self._rejected_path = self._ours / "rejected.jsonl"
        self._manifest_path = self._ours / "manifest.json"
        self.counts = Counts()
        self.parts = 0
        self._splits: dict[str, _Progress] = {}
        _check_ours(folder, self._manifest_path)
        self._ours.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self._ours / "lock", folder)
        committed, names = self._read_journal()
        self._remove_uncommitted(names)
        self._rejected = _opened_at(self._rejected_path, committed)
        self._journal: BinaryIO = self._journal_path.open("ab")

    def manifest(self) -> dict[str, Any] | None:
        """What the job was begun with; None of a new one."""
        if not self._manifest_path.exists():
            return None
        found: dict[str, Any] = orjson.loads(self._manifest_path.read_bytes())
        return found

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Keep what the job is begun with."""
        content = {"layout": LAYOUT, **manifest}
        self._replace(self._manifest_path, orjson.dumps(content, option=orjson.OPT_INDENT_2))

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Keep what it has come to so far."""
        self._replace(self._ours / "summary.json", orjson.dumps(summary, option=orjson.OPT_INDENT_2))

    def next_place(self, split: Split) -> int | None:
        """Where the split goes on; None where it is done."""
        done = self._splits.get(split.name)
        if done is None:
            return split.start
        return None if done.is_done else done.stop

    def commit(self, part: Part) -> bool:
        """Keep a part for good, unless it was kept before: False then. Raises BulkError if it leaves rows out."""
        done = self._splits.get(part.split)
        expected = int(part.split.rpartition(":")[2]) if done is None else done.stop
        if part.start < expected or (done is not None and done.is_done):
            return False
        if part.start > expected:
            raise BulkError("bug: a part does not begin where that before it ended")
        if part.content is not None:
            self._replace(self._folder / f"{part.stem}{self._suffix}", part.content)
        _append(self._rejected, part.rejections)
        line = {
            "split": part.split,
            "start": part.start,
            "stop": part.stop,
            "is_last": part.is_last,
            "file": f"{part.stem}{self._suffix}" if part.content is not None else None,
            "rejected_bytes": self._rejected.tell(),
            "counts": part.counts.as_json(),
        }
        _append(self._journal, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        self._count(line)
        return True

    def close(self) -> None:
        """Let others write here."""
        self._journal.close()
        self._rejected.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read_journal(self) -> tuple[int, set[str]]:
        """Bytes of rejected rows and names of files that are committed. A line that was torn in a crash is cut off."""
        rejected_bytes, names, whole = 0, set(), 0
        if self._journal_path.exists():
            with self._journal_path.open("rb") as journal:
                for content in journal:
                    if not content.endswith(b"\n"):
                        break
                    line = orjson.loads(content)
                    self._count(line)
                    rejected_bytes, whole = line["rejected_bytes"], whole + len(content)
                    names.add(line["file"])
            os.truncate(self._journal_path, whole)
        return rejected_bytes, names

    def _count(self, line: dict[str, Any]) -> None:
        self._splits[line["split"]] = _Progress(line["stop"], line["is_last"])
        self.counts.add(Counts.from_json(line["counts"]))
        self.parts += line["file"] is not None

    def _remove_uncommitted(self, names: set[str]) -> None:
        for path in self._folder.iterdir():
            is_part = path.name.startswith("part-") and path.suffix == self._suffix and path.name not in names
            if is_part or path.name.startswith(SCRATCH):
                path.unlink()

    def _replace(self, path: Path, content: bytes) -> None:
        """Whole or not at all, whatever happens to the machine."""
        scratch = self._folder / f"{SCRATCH}{path.name}"
        with scratch.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
        _sync_folder(path.parent)


def _check_ours(folder: Path, manifest: Path) -> None:
    """Raises BulkError for a folder that somebody else uses."""
    if folder.exists() and not folder.is_dir():
        raise BulkError(f"--out {folder}: is a file, not a folder")
    if manifest.exists() or not folder.exists():
        return
    # A crash may come before the manifest.
    others = [path.name for path in folder.iterdir() if path.name != OURS and not path.name.startswith(SCRATCH)]
    if others:
        raise BulkError(f"--out {folder}: is not empty, and not the output of a job that could go on")


def _locked(path: Path, folder: Path) -> FileLock:
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise BulkError(f"--out {folder}: another job is writing there") from None
    return lock


def _opened_at(path: Path, committed: int) -> BinaryIO:
    """A file to append to, without what comes after its committed bytes."""
    file = path.open("ab")
    file.truncate(committed)
    file.seek(committed)
    return file


def _append(file: BinaryIO, content: bytes) -> None:
    if content:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """A new name is safe once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
