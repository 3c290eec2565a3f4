"""A bulk job from its input to its summary: begun, or gone on with where it ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from bentorank import __version__
from bentorank.bulk.errors import BulkError
from bentorank.bulk.extras import pyarrow
from bentorank.bulk.folder import OutFolder
from bentorank.bulk.jsonl_input import first_id_is_text, jsonl_splits
from bentorank.bulk.order import FileFormat
from bentorank.bulk.parquet_input import ids_are_text, parquet_splits
from bentorank.bulk.parts import Work
from bentorank.bulk.stopping import Stop
from bentorank.bulk.summary import summary_of
from bentorank.bulk.workers import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from bentorank.bulk.inputs import InputFile, Split
    from bentorank.bulk.order import Order
    from bentorank.bulk.parts import Part
    from bentorank.bulk.progress import BulkBar
    from bentorank.bulk.workers import Loaded
    from bentorank.settings import Settings


class Runner(Protocol):
    """Makes the parts of some work: in this process, or on Ray."""

    def __call__(self, works: Sequence[Work], order: Order, settings: Settings, watch: Watch) -> Iterator[Part]:
        """Ends early, after what is ranked then, once it `is_stopping`. Raises BulkError where it cannot go on."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """What to rank, where to, and how."""

    files: Sequence[InputFile]
    out: Path
    order: Order
    settings: Settings
    run: Runner


@dataclass(frozen=True, slots=True)
class Ended:
    """What the job has come to, and the signal that ended it before it was done, if one did."""

    summary: dict[str, Any]
    signal: int | None


def run_job(job: Job, bar: BulkBar) -> Ended:
    """Rank what is left to rank. Raises BulkError where the job cannot begin or go on; what is finished is kept."""
    if job.order.output is FileFormat.PARQUET:
        pyarrow("parquet")
    order = replace(job.order, id_is_text=_id_kind(job.files, job.order))
    splits = [split for file in job.files for split in _splits(file, order)]
    with OutFolder(job.out, order.output) as folder:
        model = _Model(folder, _begin(folder, order, job.files))
        works = [Work(split, place) for split in splits if (place := folder.next_place(split)) is not None]
        total, left = _places(splits), _places_left(works)
        bar.plan(total, 0 if total is None else total - left, folder.counts.rows)
        stop = Stop()
        watch = Watch(bar.start, model.check, bar.advance, stop.is_asked, model.engine)
        try:
            with stop.on_signals():
                for part in job.run(works, order, job.settings, watch) if works else ():
                    folder.commit(part)
        finally:
            is_complete = all(folder.next_place(split) is None for split in splits)
            summary = summary_of(folder.counts, folder.parts, bar, model.engine, order.cascade, is_complete=is_complete)
            folder.write_summary(summary)
        return Ended(summary, None if is_complete else stop.signal)


class _Model:
    """The model that the job was begun with, or is begun with by the first that is loaded."""

    def __init__(self, folder: OutFolder, manifest: dict[str, Any]) -> None:
        self._folder, self._manifest = folder, manifest

    @property
    def engine(self) -> dict[str, Any] | None:
        return self._manifest["engine"]  # type: ignore[no-any-return]

    def check(self, loaded: Loaded) -> None:
        """Raises BulkError if it is another than rows were ranked with before."""
        if self.engine is not None:
            loaded.check_same(self.engine)
            return
        self._manifest["engine"] = loaded.as_json()
        self._folder.write_manifest(self._manifest)


def _begin(folder: OutFolder, order: Order, files: Sequence[InputFile]) -> dict[str, Any]:
    """The manifest: written anew, or that of the job that is gone on with. Raises BulkError if that was another job."""
    plain = {"asked": order.asked(), "inputs": [file.identity() for file in files]}
    wanted: dict[str, Any] = orjson.loads(orjson.dumps(plain))
    begun = folder.manifest()
    if begun is None:
        begun = {"bentorank": __version__, "engine": None, **wanted}
        folder.write_manifest(begun)
        return begun
    changed = [
        f"{name} was {_shown(begun['asked'].get(name))} and is {_shown(value)}"
        for name, value in wanted["asked"].items()
        if begun["asked"].get(name) != value
    ]
    if changed:
        raise BulkError(f"--out was begun otherwise: {'; '.join(changed)}; choose another --out")
    if begun["inputs"] != wanted["inputs"]:
        raise BulkError(f"--out was begun with other input: {_differing(begun['inputs'], wanted['inputs'])}")
    return begun


def _shown(value: object) -> str:
    return "unset" if value is None else str(value)


def _differing(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> str:
    if len(before) != len(now):
        return f"{len(before)} files then, {len(now)} now; choose another --out"
    (changed, *_) = [new["name"] for old, new in zip(before, now, strict=True) if old != new]
    return f"{changed} has changed, or is another file; choose another --out"


def _splits(file: InputFile, order: Order) -> list[Split]:
    return jsonl_splits(file) if file.format is FileFormat.JSONL else parquet_splits(file, order.columns)


def _id_kind(files: Sequence[InputFile], order: Order) -> bool | None:
    """Whether ids are texts. JSON lines take any where they go out as JSON lines: None. Raises BulkError."""
    if files[0].format is FileFormat.JSONL:
        if order.output is FileFormat.JSONL:
            return None
        return first_id_is_text(files[0], order.columns, order.limits.max_bytes)
    kinds = [ids_are_text(file, order.columns) for file in files]
    if len(set(kinds)) > 1:
        raise BulkError(f"--in: the column {order.columns.id} holds texts in some files and whole numbers in others")
    return kinds[0]


def _places(splits: Sequence[Split]) -> int | None:
    if any(split.stop is None for split in splits):
        return None
    return sum((split.stop or 0) - split.start for split in splits)


def _places_left(works: Sequence[Work]) -> int:
    return sum(max(0, (work.split.stop or 0) - work.start) for work in works)
