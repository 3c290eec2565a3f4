"""A limit on the memory of processes that run already, as a container has one."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path("/sys/fs/cgroup")
MIB = 1024 * 1024


@contextmanager
def limited_memory(pids: Sequence[int], more_mib: int) -> Iterator[None]:
    """What these processes have now, and so much more; skips the test where there is no control group to be had."""
    folder, limit = _own_group() / f"bentorank-test-{os.getpid()}", f"{more_mib * MIB}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group for memory can be made here: {error.strerror}")
    try:
        # What is in memory already stays with the group that it came from.
        for pid in pids:
            (folder / "cgroup.procs").write_text(str(pid))
        _limit_file(folder).write_text(limit)
        yield
    finally:
        for pid in (folder / "cgroup.procs").read_text().split():
            (folder.parent / "cgroup.procs").write_text(pid)
        time.sleep(0.1)
        folder.rmdir()


def _own_group() -> Path:
    """Of version 1 its memory controller's, else the one of version 2."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    for _, controllers, path in lines:
        if "memory" in controllers.split(","):
            return ROOT / "memory" / path.lstrip("/")
    return ROOT / lines[-1][2].lstrip("/")


def _limit_file(folder: Path) -> Path:
    for name in ("memory.limit_in_bytes", "memory.max"):
        if (folder / name).exists():
            return folder / name
    pytest.skip("control groups limit no memory here")
