"""Norms by the root of mean squares in one kernel of torch's, where transformers' have eight operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bentorank.engines.torch.quickening import Model

    Place = tuple[torch.nn.Module, str, torch.nn.Module]

# The last place of bf16 is 2**-8 of a number: eight of them, as both ways round more than once.
_TOLERANCE: Final = 2.0**-5
_TRIED_ROWS: Final = 8


class FusedNorms:
    """Those of a model that torch's own gives the values of, which is tried."""

    name = "fused norms"

    def __init__(self) -> None:
        self._replaced: list[Place] = []

    def apply(self, model: Model) -> None:
        """As Quickening has it. Raises NotImplementedError where there is none."""
        for parent, name, norm in list(_norms(model)):
            fused = _fused(norm)
            if fused is not None:
                setattr(parent, name, fused)
                self._replaced.append((parent, name, norm))
        if not self._replaced:
            raise NotImplementedError("norms of another kind")

    def keep(self) -> None:
        """As Quickening has it."""

    def undo(self, model: Model) -> None:  # noqa: ARG002 - as Quickening has it
        """As Quickening has it."""
        for parent, name, norm in self._replaced:
            setattr(parent, name, norm)
        self._replaced.clear()


def _norms(model: Model) -> Iterator[Place]:
    for parent in model.modules():
        for name, module in parent.named_children():
            if type(module).__name__.endswith("RMSNorm") and hasattr(module, "weight"):
                yield parent, name, module


@torch.inference_mode()
def _fused(norm: Any) -> torch.nn.RMSNorm | None:  # noqa: ANN401 - each family has a class of its own
    """Its weights are the norm's or, as in Gemma, those and 1."""
    weight, epsilon = norm.weight, getattr(norm, "variance_epsilon", getattr(norm, "eps", None))
    tried = torch.randn(_TRIED_ROWS, *weight.shape, device=weight.device, dtype=weight.dtype)
    for scale in (weight, (1 + weight.float()).to(weight.dtype)):
        fused = torch.nn.RMSNorm(weight.shape, eps=epsilon, device=weight.device, dtype=weight.dtype)
        fused.weight = torch.nn.Parameter(scale, requires_grad=False)
        if torch.allclose(fused(tried), norm(tried), rtol=_TOLERANCE, atol=_TOLERANCE):
            return fused
    return None
