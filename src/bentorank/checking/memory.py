"""What a model takes of the memory, and whether there is so much."""

from __future__ import annotations

import resource
import sys
from typing import TYPE_CHECKING

from bentorank.checking.steps import Memory
from bentorank.engines.cores import usable_memory_bytes
from bentorank.engines.options import BYTES_A_WEIGHT, EngineKind, Precision
from bentorank.process.usage import process_usage

if TYPE_CHECKING:
    from collections.abc import Callable

# getrusage counts KiB on Linux and bytes on macOS.
_PEAK_UNIT_BYTES = 1 if sys.platform == "darwin" else 2**10

GIB = 2**30


def least_bytes(weights: int, kind: EngineKind, precision: Precision) -> int:
    """What so many weights take at the very least, however they are prepared."""
    if precision is Precision.AUTO:
        # torch on a CPU takes f32; OpenVINO what the folder has, int8 perhaps.
        precision = Precision.INT8 if kind is EngineKind.OPENVINO else Precision.F32
    return weights * BYTES_A_WEIGHT[precision]


class MemoryWatch:
    """Looks at the memory before the model, with it, and after the largest batches."""

    def __init__(self) -> None:
        self._before = process_usage().resident_bytes
        self._loaded = 0
        self._look: Callable[[], tuple[int, int, int]] = _of_process

    def loaded(self, device: str) -> None:
        """The model is on `device` now; from here on it is that device's memory that counts."""
        if device.startswith("cuda"):
            self._before, self._look = 0, lambda: _of_cuda(device)
        self._loaded = self._look()[0]

    def taken(self, longest_tokens: int) -> Memory:
        """After batches of which the longest pair had so many tokens."""
        now, peak, usable = self._look()
        return Memory(self._loaded - self._before, max(0, now - self._loaded), peak, usable, longest_tokens)


def _of_process() -> tuple[int, int, int]:
    """Resident, most resident and usable bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PEAK_UNIT_BYTES
    return process_usage().resident_bytes, peak, usable_memory_bytes()


def _of_cuda(device: str) -> tuple[int, int, int]:
    import torch  # noqa: PLC0415 - the engine has imported it

    _, total = torch.cuda.mem_get_info(device)
    return torch.cuda.memory_reserved(device), torch.cuda.max_memory_reserved(device), total
