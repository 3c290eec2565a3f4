"""Tells an error of CUDA that one batch has caused from one after which every call of this process fails."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from bentorank.engines.protocol import DeviceLostError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def telling_a_lost_gpu(device: str) -> Iterator[None]:
    """Raise DeviceLostError in the place of an error within the context that has ended this process' use of `device`.

    CUDA says of an illegal access, a failed assertion, a memory error or a GPU that fell off the bus that it is
    reported by every later call too, so such a call is made: its word is better than a list of texts.
    """
    try:
        yield
    except RuntimeError as error:
        if torch.device(device).type == "cuda" and not _answers(device):
            raise DeviceLostError from error
        raise


def _answers(device: str) -> bool:
    try:
        torch.cuda.synchronize(torch.device(device))
    except RuntimeError:
        return False
    return True
