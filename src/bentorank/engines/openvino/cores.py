"""The CPU cores that this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# Of a container, as control groups version 2 tell it: microseconds of CPU in each period, or `max`.
QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """Physical cores that are not forbidden, nor beyond a container's quota; at least one."""
    logical = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    physical = physical_cores(_read(CPUINFO), logical)
    return max(1, min(physical, quota_cores(_read(QUOTA)) or physical))


def physical_cores(cpuinfo: str, logical: set[int]) -> int:
    """How many cores the given logical processors are; as many as these where `cpuinfo` does not say."""
    cores = set()
    for block in cpuinfo.split("\n\n"):
        fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in block.split("\n"))}
        if "core id" in fields and int(fields["processor"]) in logical:
            cores.add((fields.get("physical id"), fields["core id"]))
    return len(cores) or len(logical)


def quota_cores(cpu_max: str) -> int | None:
    """Cores that a quota amounts to, rounded up; None without one."""
    quota, _, period = cpu_max.strip().partition(" ")
    return math.ceil(int(quota) / int(period)) if quota.isdecimal() else None


def cpu_name() -> str:
    """The model as /proc/cpuinfo names it; empty where it does not."""
    names = [line.partition(":")[2].strip() for line in _read(CPUINFO).split("\n") if line.startswith("model name")]
    return names[0] if names else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
