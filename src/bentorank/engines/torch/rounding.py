"""How far two ways through a model may differ by rounding alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from torch import Tensor

# Two ways of rounding differ by some units in the last place of the largest logit; a wrong way by much of it.
_TOLERATED_ROUNDINGS: Final = 8


def tolerated_difference(logits: Tensor) -> float:
    """Of logits in the model's own precision."""
    return float(_TOLERATED_ROUNDINGS * torch.finfo(logits.dtype).eps * logits.abs().max().item())
