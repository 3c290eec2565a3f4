"""To a device and back, without the host waiting where it need not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray


def upload(arrays: Mapping[str, NDArray[np.generic]], device: torch.device) -> dict[str, torch.Tensor]:
    """The arrays on `device`, by their names."""
    return {name: _to_device(torch.from_numpy(array), device) for name, array in arrays.items()}


def begin_download(tensor: torch.Tensor) -> Callable[[], NDArray[np.float32]]:
    """Have the float32 `tensor` copied to the host; the function that comes back waits for it and gives the array."""
    if tensor.device.type != "cuda":
        return tensor.cpu().numpy
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    host.copy_(tensor, non_blocking=True)
    # A thread that waits for a blocking event sleeps, and leaves its core to others.
    copied = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
    copied.record(torch.cuda.current_stream(tensor.device))

    def wait() -> NDArray[np.float32]:
        copied.synchronize()
        array: NDArray[np.float32] = host.numpy()
        return array

    return wait


def _to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    if device.type != "cuda":
        return tensor.to(device)
    # From pinned memory the host need not wait for the copy.
    return tensor.pin_memory().to(device, non_blocking=True)
