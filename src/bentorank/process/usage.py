"""What this process takes of the machine, as the system counts it."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import psutil

if sys.platform != "win32":
    import resource


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """`cpu_s` is since the process began, of all its threads."""

    resident_bytes: int = 0
    cpu_s: float = 0.0
    open_files: int = 0
    max_files: int = 0


def process_usage() -> ProcessUsage:
    """As of now; what a system does not count so is 0. Raises OSError where there is no descriptor to look with."""
    process = psutil.Process()
    open_files = max_files = 0
    if sys.platform != "win32":
        open_files, max_files = process.num_fds(), resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return ProcessUsage(process.memory_info().rss, time.process_time(), open_files, max_files)
