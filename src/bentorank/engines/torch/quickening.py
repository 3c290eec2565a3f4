"""Changes to a model's layers that make its passes faster on a GPU, each taken back where it moves scores."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from bentorank.engines.torch.failures import described
from bentorank.engines.torch.reading_check import tolerance_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

# transformers' own classes are many.
Model: TypeAlias = Any

logger = logging.getLogger(__name__)


class Quickening(Protocol):
    """One of them."""

    name: str

    def apply(self, model: Model) -> None:
        """Make the model faster from its next pass on, which may take long, or fail."""
        ...

    def keep(self) -> None:
        """The model has been tried, and is served: no pass may take long from now on."""
        ...

    def undo(self, model: Model) -> None:
        """Leave it as it was found."""
        ...


def quicken_if_proven(model: Model, score_probes: Callable[[], Tensor], quickenings: Sequence[Quickening]) -> None:
    """Make a model faster by the first of `quickenings` with which `score_probes` gives what it gives without."""
    expected = score_probes()
    for quickening in quickenings:
        try:
            quickening.apply(model)
            difference = (score_probes() - expected).abs().max().item()
        except Exception as error:  # noqa: BLE001 - whatever this host or version of torch lacks, it goes on without
            reason = f"fail here with {described(error)}"
        else:
            tolerance = tolerance_of(model, expected)
            if difference <= tolerance:  # never of NaN
                quickening.keep()
                logger.info("passes are faster by %s", quickening.name)
                return
            reason = f"move logits by {difference:.2g}, more than {tolerance:.2g}"
        quickening.undo(model)
        logger.warning("passes are slower than they could be: %s %s", quickening.name, reason)
