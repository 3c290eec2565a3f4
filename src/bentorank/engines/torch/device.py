"""Which device and precision torch shall use, and whether it can."""

from __future__ import annotations

import torch

from bentorank.engines.hardware import cpu_has_native_bf16
from bentorank.engines.options import Precision
from bentorank.errors import ConfigurationError


def choose_device(device: str) -> str:
    """A device that is there: `auto` takes CUDA, then MPS, then the CPU."""
    if device == "auto":
        return best_accelerator() or "cpu"
    if device == "cpu":
        return device
    if device == "mps":
        return _require(device, available=torch.backends.mps.is_available())
    kind, _, index = device.partition(":")
    if kind != "cuda" or not (index.isdecimal() or device == "cuda"):
        raise ConfigurationError(f"the device {device} is none of auto, cpu, cuda, cuda:N, mps")
    return _require(device, available=int(index or 0) < torch.cuda.device_count())


def best_accelerator() -> str | None:
    """The accelerator that torch sees, if any."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else None


def choose_precision(precision: Precision, device: str) -> Precision:
    """`auto` is bf16 or else f16 on CUDA and f32 elsewhere; what the device would emulate is refused."""
    kind = torch.device(device).type
    supported = _supported(kind)
    if precision is Precision.AUTO:
        return _best_on_cuda(supported) if kind == "cuda" else Precision.F32
    if precision not in supported:
        names = ", ".join(sorted(supported))
        raise ConfigurationError(f"the torch engine on this {kind} computes in {names}, not in {precision}")
    return precision


def _best_on_cuda(supported: frozenset[Precision]) -> Precision:
    return Precision.BF16 if Precision.BF16 in supported else Precision.F16


def _supported(kind: str) -> frozenset[Precision]:
    if kind == "cpu":
        native = {Precision.BF16} if cpu_has_native_bf16() else set()
        return frozenset({Precision.F32, *native})
    if kind == "cuda":
        native = {Precision.BF16} if torch.cuda.is_bf16_supported(including_emulation=False) else set()
        return frozenset({Precision.F32, Precision.F16, *native})
    return frozenset({Precision.F32, Precision.F16})


def _require(device: str, *, available: bool) -> str:
    if not available:
        raise ConfigurationError(f"the device {device} was asked for and torch does not see it")
    return device
