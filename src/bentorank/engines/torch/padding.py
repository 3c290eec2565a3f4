"""The reference way through a torch model: every pair padded to the longest of its batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from bentorank.engines.collation import pad
from bentorank.engines.torch.transfers import upload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.types import EncodedPair


class PaddedForward:
    """Runs a transformers sequence-classification model on padded batches; right for every architecture.

    Of two labels the second is relevance; the setting has said so.
    """

    padding_free = False

    def __init__(self, model: Any, pad_token_id: int) -> None:  # noqa: ANN401 - transformers' own classes are many
        self._model = model
        self._pad_token_id = pad_token_id

    @torch.inference_mode()
    def __call__(self, batch: Sequence[EncodedPair]) -> torch.Tensor:
        """Logits of shape (len(batch),) on the model's device, in its precision."""
        inputs = upload(pad(batch, self._pad_token_id).as_inputs(), self._model.device)
        logits: torch.Tensor = self._model(**inputs).logits  # (pairs, labels)
        return logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
