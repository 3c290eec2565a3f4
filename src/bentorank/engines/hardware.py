"""What this machine has, found without importing torch."""

from __future__ import annotations

import platform
import sys
from functools import cache
from pathlib import Path

# Device nodes of NVIDIA (bare metal, containers, WSL) and AMD.
_GPU_NODES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")

# As /proc/cpuinfo spells them: x86 with AVX512-BF16 or AMX, ARMv8.6 with the bf16 matrix instructions.
_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
_INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni"})


def may_have_accelerator() -> bool:
    """False where torch cannot see a GPU; True where it is worth asking torch."""
    return sys.platform == "darwin" or any(Path(node).exists() for node in _GPU_NODES)


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
