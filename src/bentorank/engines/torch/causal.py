"""The reference way through a causal language model: the logits of its answers after each prompt's last token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bentorank.engines.collation import pad
from bentorank.engines.torch.transfers import upload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from bentorank.types import EncodedPair


class AnswerHead(torch.nn.Module):
    """The rows of a model's output embeddings that are its answers, in f32: two large logits of half a precision would
    leave little of their difference.
    """

    def __init__(self, embeddings: torch.nn.Linear, answers: Sequence[int]) -> None:
        super().__init__()
        rows = list(answers)
        self.weight = torch.nn.Parameter(embeddings.weight.detach()[rows].float(), requires_grad=False)
        bias = embeddings.bias
        self.bias = None if bias is None else torch.nn.Parameter(bias.detach()[rows].float(), requires_grad=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits of shape (..., answers)."""
        return torch.nn.functional.linear(hidden.float(), self.weight, self.bias)


def keep_answers(model: Any, answers: Sequence[int]) -> None:  # noqa: ANN401 - transformers' own classes are many
    """Let a causal `model` compute the logits of these tokens alone; what follows its head, such as a cap, stays."""
    model.set_output_embeddings(AnswerHead(model.get_output_embeddings(), answers))


class CausalForward:
    """Runs a causal model that has kept its answers, on batches padded at their ends, which no token before them sees.

    So no mask is needed, and positions are counted from each prompt's beginning.
    """

    padding_free = False

    def __init__(self, model: Any, pad_token_id: int) -> None:  # noqa: ANN401
        self._model = model
        self._pad_token_id = pad_token_id

    @torch.inference_mode()
    def __call__(self, batch: Sequence[EncodedPair]) -> Tensor:
        """Logits of shape (len(batch),) on the model's device, in f32."""
        lengths = np.array([pair.length for pair in batch])
        # Those of the last tokens in any of the rows; each row needs one.
        ends, own = np.unique(lengths - 1, return_inverse=True)
        arrays = {"input_ids": pad(batch, self._pad_token_id).input_ids, "ends": ends, "own": own}
        inputs = upload(arrays, self._model.device)
        logits = self._model(
            input_ids=inputs["input_ids"], logits_to_keep=inputs["ends"], use_cache=False
        ).logits  # (pairs, ends, answers)
        answers = logits[torch.arange(len(batch), device=logits.device), inputs["own"]]  # (pairs, answers)
        score: Tensor = answers[:, 0] if answers.shape[1] == 1 else answers[:, 0] - answers[:, 1]
        return score
