"""What this machine has, found without importing torch."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from pathlib import Path

_DEVICES = Path("/dev")

# As /proc/cpuinfo spells them: x86 with AVX512-BF16 or AMX, ARMv8.6 with the bf16 matrix instructions.
_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
_INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni"})


def may_have_accelerator() -> bool:
    """False where torch cannot see a GPU; True where it is worth asking torch."""
    nodes = [_DEVICES / "nvidiactl", _DEVICES / "kfd"]  # the latter is AMD's
    return sys.platform == "darwin" or nvidia_nodes(_DEVICES) > 0 or any(node.exists() for node in nodes)


def visible_nvidia_gpus(devices: Path = _DEVICES, visible: str | None = None) -> int:
    """How many GPUs of NVIDIA this process may use. `visible` is CUDA_VISIBLE_DEVICES, that of the environment unless
    given: numbers or names of GPUs, of which CUDA takes those before the first that is none.
    """
    nodes = nvidia_nodes(devices)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") if visible is None else visible
    if visible is None or nodes == 0:
        return nodes
    names = [name.strip() for name in visible.split(",")]
    return next((count for count, name in enumerate(names) if not name or name.startswith("-")), len(names))


def nvidia_nodes(devices: Path) -> int:
    """Of bare metal and containers, where the only one may have any number; Windows' Linux has one for all of them."""
    return len([*devices.glob("nvidia[0-9]*")]) or int((devices / "dxg").exists())


def cpu_has_native_bf16() -> bool:
    """Whether the CPU multiplies bf16 in hardware; elsewhere bf16 is emulated and slower than f32."""
    return not _BF16_FLAGS.isdisjoint(_cpu_flags())


def cpu_has_int8_dot_products() -> bool:
    """Whether an x86 CPU sums products of int8 in one instruction (VNNI): several times as many as of f32."""
    return not _INT8_FLAGS.isdisjoint(_cpu_flags())


def cpu_multiplies_int8_tiles() -> bool:
    """Whether an x86 CPU multiplies blocks of int8 in one instruction (AMX)."""
    return "amx_int8" in _cpu_flags()


def cpu_is_supported_by_openvino() -> bool:
    """Whether OpenVINO's CPU plugin exists for this instruction set."""
    return platform.machine().lower() in {"x86_64", "amd64", "aarch64", "arm64"}


@cache
def _cpu_flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() in {"flags", "features"}:
            return frozenset(value.split())
    return frozenset()
