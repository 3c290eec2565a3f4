"""Memory of a process and everything that it started."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Resident MiB of one process; `pss_mib` shares common pages among the processes, None where unknown."""

    name: str
    rss_mib: float
    pss_mib: float | None


@dataclass(frozen=True, slots=True)
class TreeMemory:
    """All processes, and the sum of their resident MiB, which counts shared pages more than once."""

    processes: tuple[ProcessMemory, ...]
    rss_mib: float


def tree_memory(pid: int) -> TreeMemory:
    """Memory of process `pid` and its descendants, now."""
    root = psutil.Process(pid)
    processes = []
    for process in [root, *root.children(recursive=True)]:
        try:
            processes.append(_process_memory(process))
        except psutil.NoSuchProcess:
            continue
    return TreeMemory(tuple(processes), sum(process.rss_mib for process in processes))


def _process_memory(process: psutil.Process) -> ProcessMemory:
    memory = process.memory_full_info()
    pss = getattr(memory, "pss", None)
    return ProcessMemory(process.name(), memory.rss / MIB, None if pss is None else pss / MIB)
