"""The CPU cores and the memory that this process may use."""

from __future__ import annotations

import os
from pathlib import Path

from bentorank.engines.control_groups import limit_bytes, quota_cores, read

CPUINFO = Path("/proc/cpuinfo")
MEMORY = Path("/proc/meminfo")


def usable_cores() -> int:
    """Physical cores that are not forbidden, nor beyond a container's quota; at least one."""
    physical = physical_cores(read(CPUINFO), _logical())
    return max(1, min(physical, quota_cores() or physical))


def usable_processors() -> int:
    """Logical processors that are not forbidden, nor beyond a container's quota: threads that can run at a time."""
    logical = len(_logical())
    return max(1, min(logical, quota_cores() or logical))


def usable_memory_bytes() -> int:
    """The machine's memory, or what a container may use of it."""
    return memory_bytes(read(MEMORY), limit_bytes())


def physical_cores(cpuinfo: str, logical: set[int]) -> int:
    """How many cores the given logical processors are; as many as these where `cpuinfo` does not say."""
    cores = set()
    for block in cpuinfo.split("\n\n"):
        fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in block.split("\n"))}
        if "core id" in fields and int(fields["processor"]) in logical:
            cores.add((fields.get("physical id"), fields["core id"]))
    return len(cores) or len(logical)


def memory_bytes(meminfo: str, limit: int | None) -> int:
    """The lesser of the machine's memory and the limit; 8 GiB where neither is told, as on macOS."""
    machine = [int(line.split()[1]) * 1024 for line in meminfo.splitlines() if line.startswith("MemTotal:")]
    return min([*machine, *([] if limit is None else [limit])], default=8 * 2**30)


def cpu_name() -> str:
    """The model as /proc/cpuinfo names it; empty where it does not."""
    names = [line.partition(":")[2].strip() for line in read(CPUINFO).split("\n") if line.startswith("model name")]
    return names[0] if names else ""


def _logical() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
