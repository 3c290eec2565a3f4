"""What a figure was measured on: processor, memory, versions. Names no host, user or folder."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_bf16", "amx_int8", "asimddp", "bf16", "i8mm")
PACKAGES = (
    *("bentorank", "bentoml", "fastapi", "uvicorn", "openvino", "nncf", "torch"),
    *("sentence-transformers", "transformers", "tokenizers", "numpy", "aiohttp"),
)


@dataclass(frozen=True, slots=True)
class Machine:
    """`flags` are the vector instructions that matter to inference; `cores` are those this process may use."""

    cpu: str
    cores: int
    flags: tuple[str, ...]
    memory_gib: float
    gpus: tuple[str, ...]
    system: str
    python: str
    versions: dict[str, str]


def describe_machine() -> Machine:
    """This machine."""
    info = _cpu_info()
    present = set(info.get("flags", info.get("Features", "")).split())
    return Machine(
        cpu=info.get("model name") or platform.processor() or platform.machine(),
        cores=_usable_cores(),
        flags=tuple(flag for flag in FLAGS if flag in present),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        gpus=_gpus(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        versions={package: found for package in PACKAGES if (found := _version(package))},
    )


def _cpu_info() -> dict[str, str]:
    """The first processor of /proc/cpuinfo; empty where there is none."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    first = path.read_text(encoding="utf-8").split("\n\n", 1)[0]
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _gpus() -> tuple[str, ...]:
    if shutil.which("nvidia-smi") is None:
        return ()
    command = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return tuple(line.strip() for line in answer.stdout.splitlines())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
