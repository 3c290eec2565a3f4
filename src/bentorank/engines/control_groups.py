"""What control groups leave to this process: cores and memory, by the least of its own group and of those above it.

A container's is at the top, as far as it can see; a systemd service's is a slice further down. Files as in the kernel's
admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst, scheduler/sched-bwc.rst.
"""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def quota_cores(root: Path = ROOT, own: Path = OWN) -> int | None:
    """Cores that the least quota amounts to, rounded up; None without one."""
    quotas = [_quota(folder) for folder in _groups(root, read(own), "cpu")]
    return min((math.ceil(quota) for quota in quotas if quota is not None), default=None)


def limit_bytes(root: Path = ROOT, own: Path = OWN) -> int | None:
    """The least limit of memory; None without one. Version 1 has a limit beyond any memory where there is none."""
    texts = [
        read(folder / name).strip()
        for folder in _groups(root, read(own), "memory")
        for name in ("memory.max", "memory.limit_in_bytes")
    ]
    return min((int(text) for text in texts if text.isdecimal()), default=None)


def read(path: Path) -> str:
    """What it holds; nothing where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return ""


def _quota(folder: Path) -> float | None:
    quota, _, period = read(folder / "cpu.max").strip().partition(" ")  # version 2
    if not quota:
        quota, period = (read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else None


def _groups(root: Path, own: str, controller: str) -> Iterator[Path]:
    """The folders of the groups that count for a controller, in either version, whether they are there or not."""
    yield root
    for line in own.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            mounted = [root, root / "unified"]
        elif controller in controllers.split(","):
            mounted = [root / controller, root / controllers]
        else:
            continue
        parts = [part for part in PurePosixPath(path).parts if part != "/"]
        # What lies outside of what is mounted here begins with two points.
        depth = 0 if ".." in parts else len(parts)
        yield from (top.joinpath(*parts[:length]) for top in mounted for length in range(depth + 1))
