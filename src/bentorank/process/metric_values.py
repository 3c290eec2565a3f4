"""One of Prometheus' files, with its room on the disk reserved: while there is none, its values are kept in memory.

Prometheus maps sparse files, and a process that writes to a page for which a full disk has no room is killed.
"""

from __future__ import annotations

import logging
import mmap
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from prometheus_client.mmap_dict import MmapedDict

if TYPE_CHECKING:
    from collections.abc import Iterator

RETRY_EVERY_S = 5.0
WARN_EVERY_S = 60.0

logger = logging.getLogger(__name__)


class MetricValues(MmapedDict):
    """Prometheus' dict of values. What is in memory is old in scrapes, or missing. For one thread."""

    _in_memory: ClassVar[list[MetricValues]] = []
    _tried_at: ClassVar[float] = float("-inf")
    _warned_at: ClassVar[float] = float("-inf")

    def __init__(self, filename: str) -> None:
        self._path = Path(filename)
        self._is_in_memory = False
        if _make(self._path):
            super().__init__(filename)
            return
        with _file_in_memory() as name:
            super().__init__(name)
        self._went_into_memory()

    @classmethod
    def return_to_disk(cls) -> None:
        """Let what is in memory go back to its file if there is room by now. Costs next to nothing; call it often."""
        now = time.monotonic()
        if cls._in_memory and now - cls._tried_at >= RETRY_EVERY_S:
            cls._tried_at = now
            cls._in_memory[:] = [values for values in cls._in_memory if not values.try_to_return()]
            if cls._in_memory:
                cls._warn(now)

    def try_to_return(self) -> bool:
        """Whether it is on the disk now. The file is whole before it has its name: it may be read at any moment."""
        part = self._path.with_suffix(".part")
        if not _reserve(part, self._capacity):
            return False
        self._go_on_in(str(part))
        part.replace(self._path)
        self._is_in_memory = False
        return True

    def _init_value(self, key: str) -> None:
        if not self._is_in_memory and not self._has_room_for(key):
            with _file_in_memory() as name:
                self._go_on_in(name)
            self._went_into_memory()
        super()._init_value(key)

    def _has_room_for(self, key: str) -> bool:
        """The file grows by doubling, as Prometheus' own do."""
        capacity = self._capacity
        # Beside the key are its length, padding, a value and a timestamp, 8 bytes each at most.
        while self._used + len(key.encode()) + 4 * 8 > capacity:
            capacity *= 2
        return capacity == self._capacity or _reserve(self._path, capacity)

    def _go_on_in(self, filename: str) -> None:
        content = self._m[: self._used]
        self._m.close()
        self._f.close()
        self._f = Path(filename).open("r+b")  # noqa: SIM115 - as long as the values live
        self._f.truncate(self._capacity)
        self._m = mmap.mmap(self._f.fileno(), self._capacity)
        self._m[: self._used] = content

    def _went_into_memory(self) -> None:
        self._is_in_memory = True
        self._in_memory.append(self)
        self._warn(time.monotonic())

    @classmethod
    def _warn(cls, now: float) -> None:
        # Of the class itself: attributes set through a subclass or an object would be others.
        if now - MetricValues._warned_at >= WARN_EVERY_S:
            MetricValues._warned_at = now
            logger.warning("the disk has no room for the files of the metrics: until it has, /metrics is out of date")


def _make(path: Path) -> bool:
    """Whether the file is there and has its room; a new one has it before it has its name."""
    if path.exists():
        return _reserve(path, mmap.PAGESIZE)
    part = path.with_suffix(".part")
    if not _reserve(part, mmap.PAGESIZE):
        return False
    part.replace(path)
    return True


def _reserve(path: Path, size: int) -> bool:
    """Whether all pages of the file, which grows to `size` bytes, are its own."""
    try:
        with path.open("ab") as file:
            size = max(size, os.fstat(file.fileno()).st_size)
            # macOS has no such call. There files stay sparse.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
    except OSError:
        return False
    return True


@contextmanager
def _file_in_memory() -> Iterator[str]:
    """The name of a file that takes no disk, and is gone once nobody has it open."""
    descriptor = os.memfd_create("metrics")
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
