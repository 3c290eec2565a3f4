"""What a recorded pass reads: always the same memory of the device, filled by one copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from torch import Tensor

Arrays: TypeAlias = "dict[str, NDArray[np.int64] | NDArray[np.int32]]"
"""By the names of a pass's inputs, each of one dimension."""

Told = TypeVar("Told")

_DTYPES = {np.dtype(np.int64): torch.int64, np.dtype(np.int32): torch.int32}
_WORD_BYTES = 8


class InputMemory:
    """Arrays of the sizes and types of `like`, in one piece of memory on `device`.

    What is written later is read later, on one stream, so nothing is overwritten before it is read.
    """

    def __init__(self, like: Arrays, device: torch.device) -> None:
        self._places: dict[str, tuple[slice, np.dtype[np.generic], int]] = {}
        words = 0
        for name, array in like.items():
            end = words - -array.nbytes // _WORD_BYTES
            self._places[name] = slice(words, end), array.dtype, len(array)
            words = end
        self._memory = torch.zeros(words, dtype=torch.int64, device=device)
        self.inputs = self._parts(self._memory)

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self._memory.device

    def write(self, fill: Callable[[Arrays], Told]) -> Told:
        """Copy there what `fill` writes into arrays that it gets; what it returns comes back."""
        # From pinned memory, which torch keeps until it is copied, the host need not wait for the copy.
        staged = torch.empty(self._memory.shape, dtype=torch.int64, pin_memory=self._memory.is_cuda)
        told = fill({name: part.numpy() for name, part in self._parts(staged).items()})
        self._memory.copy_(staged, non_blocking=True)
        return told

    def _parts(self, memory: Tensor) -> Mapping[str, Tensor]:
        return {
            name: memory[place].view(_DTYPES[dtype])[:count] for name, (place, dtype, count) in self._places.items()
        }
