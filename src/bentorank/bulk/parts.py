"""From splits to parts: rows are read, ranked in blocks that go over their ends, and cut into files' worth again."""

from __future__ import annotations

import re
import time
from collections import deque
from concurrent.futures import wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from bentorank.bulk.answers import Counts, RankedRow
from bentorank.bulk.columns import encode
from bentorank.bulk.errors import DamagedFileError
from bentorank.bulk.jsonl_input import read_jsonl
from bentorank.bulk.order import FileFormat
from bentorank.bulk.parquet_input import read_parquet
from bentorank.bulk.rows import Candidate, Rejection, RowReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from bentorank.bulk.inputs import InputFile, RawRow, Split
    from bentorank.bulk.order import Order
    from bentorank.bulk.scoring import Answer, BulkScorer

# One is computed, one tokenised, one read.
BLOCKS_IN_FLIGHT = 3
# Rows that cost nothing, such as those without documents, make no endless block.
MAX_BLOCK_ROWS = 1000
CHECK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """A split, and the place in it that is next."""

    split: Split
    start: int


@dataclass(frozen=True, slots=True)
class Part:
    """All rows of a split that begin from `start` up to and without `stop`; `is_last` if those are its last.

    `content` is that of its file, None where no row was ranked. `rejections` are lines for people to read.
    """

    split: str
    file: int
    start: int
    stop: int
    is_last: bool
    counts: Counts
    content: bytes | None = None
    rejections: bytes = b""

    @property
    def stem(self) -> str:
        """Names that sort as the input does."""
        return f"part-{self.file:05}-{self.start:015}"


@dataclass(frozen=True, slots=True)
class _Step:
    """A row in its place between others, or the end of a split. `stop` is the next place after its `places`."""

    work: Work
    stop: int
    places: int
    row: Candidate | Rejection | None


@dataclass(slots=True)
class _Block:
    """Steps in their order, and what becomes of those that the model has to see."""

    steps: list[_Step]
    places: int
    ranked: Future[list[Answer]]


@dataclass(slots=True)
class _OpenPart:
    """The rows of a part so far."""

    work: Work
    start: int
    stop: int = 0
    opened: float = field(default_factory=time.monotonic)
    ranked: list[RankedRow] = field(default_factory=list)
    rejections: list[bytes] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)

    def add(self, answer: Answer, stop: int) -> None:
        self.stop = stop
        if isinstance(answer, RankedRow):
            self.ranked.append(answer)
            self.counts.add_ranked(answer)
        else:
            self.rejections.append(_as_line(answer, self.work.split.file))
            self.counts.add_rejected(_kind(answer))

    def close(self, order: Order, *, is_last: bool) -> Part:
        return Part(
            self.work.split.name,
            self.work.split.file.number,
            self.start,
            self.stop,
            is_last,
            self.counts,
            encode(self.ranked, order) if self.ranked else None,
            b"".join(self.rejections),
        )


@dataclass(frozen=True, slots=True)
class PartMaker:
    """Makes the parts of splits with one model.

    A part ends after as many rows as the order says or, with `part_s`, after that time. `is_stopping` ends all early,
    after a part with what is being ranked then. `on_rows` is told of rows and places that are done.
    """

    scorer: BulkScorer
    order: Order
    part_s: float = float("inf")
    is_stopping: Callable[[], bool] = lambda: False
    on_rows: Callable[[int, int], None] = lambda _rows, _places: None

    def make(self, works: Iterable[Work]) -> Iterator[Part]:
        """The parts of each split, one after the other. Raises BulkError if the model is broken or a file damaged."""
        part: _OpenPart | None = None
        damaged: list[DamagedFileError] = []
        for step, answer in self._answered(self._steps(works, damaged)):
            if part is None:
                part = _OpenPart(step.work, step.work.start)
            if answer is None:
                part.stop = step.stop
                yield part.close(self.order, is_last=True)
                part = None
                continue
            part.add(answer, step.stop)
            if self._is_full(part):
                yield part.close(self.order, is_last=False)
                part = _OpenPart(step.work, step.stop)
        if part is not None and part.counts.rows:
            yield part.close(self.order, is_last=False)
        if damaged:
            raise damaged[0]

    def _is_full(self, part: _OpenPart) -> bool:
        return part.counts.rows >= self.order.part_rows or time.monotonic() - part.opened >= self.part_s

    def _answered(self, steps: Iterable[_Step]) -> Iterator[tuple[_Step, Answer | None]]:
        """Each step with what became of its row; None at the end of a split."""
        in_flight: deque[_Block] = deque()
        for block in self._blocks(steps):
            in_flight.append(block)
            if len(in_flight) == BLOCKS_IN_FLIGHT:
                yield from self._finished(in_flight.popleft())
        while in_flight:
            yield from self._finished(in_flight.popleft())

    def _finished(self, block: _Block) -> Iterator[tuple[_Step, Answer | None]]:
        while not wait([block.ranked], CHECK_EVERY_S).done:
            self.scorer.check()
        ranked = iter(block.ranked.result())
        self.on_rows(sum(step.row is not None for step in block.steps), block.places)
        for step in block.steps:
            yield step, next(ranked) if isinstance(step.row, Candidate) else step.row

    def _blocks(self, steps: Iterable[_Step]) -> Iterator[_Block]:
        """Runs of steps with documents enough for some passes, handed over to be ranked."""
        run: list[_Step] = []
        chars = 0
        for step in steps:
            run.append(step)
            chars += step.row.text_chars if isinstance(step.row, Candidate) else 0
            if chars >= self.scorer.block_chars or len(run) == MAX_BLOCK_ROWS:
                yield self._block(run)
                run, chars = [], 0
        if run:
            yield self._block(run)

    def _block(self, steps: list[_Step]) -> _Block:
        rows = [step.row for step in steps if isinstance(step.row, Candidate)]
        return _Block(steps, sum(step.places for step in steps), self.scorer.submit(rows))

    def _steps(self, works: Iterable[Work], damaged: list[DamagedFileError]) -> Iterator[_Step]:
        """All rows, until the job is stopping or a file turns out to be `damaged`."""
        reader = RowReader(self.order)
        for work in works:
            place = work.start
            try:
                for raw in self._read(work):
                    if self.is_stopping():
                        return
                    yield _Step(work, raw.stop, raw.stop - place, reader.read(raw))
                    place = raw.stop
            except DamagedFileError as error:
                damaged.append(error)
                return
            end = max(place, work.split.stop or place)
            yield _Step(work, end, end - place, None)

    def _read(self, work: Work) -> Iterator[RawRow]:
        if work.split.file.format is FileFormat.JSONL:
            return read_jsonl(work.split, work.start, self.order.limits.max_bytes)
        return read_parquet(work.split, work.start, self.order.columns)


def _as_line(rejection: Rejection, file: InputFile) -> bytes:
    """What stands in rejected.jsonl: enough to find the row, and nothing of its texts."""
    said = {
        "id": rejection.id,
        "file": Path(file.path).name,
        "byte" if file.format is FileFormat.JSONL else "row": rejection.place,
        "code": rejection.code,
        "field": rejection.field,
        "reason": rejection.reason,
    }
    return orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE)


def _kind(rejection: Rejection) -> str:
    """What it is counted as: its code, and its field without the place of a document."""
    field = re.sub(r"\[\d+\]", "", rejection.field or "row")
    return f"{field}: {rejection.code}"
