"""Ways through a causal model, whose score is read at each pair's last token: padded, or with what pairs share once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from bentorank.engines.collation import pad
from bentorank.engines.torch.causal_attention import CAUSAL_ATTENTION
from bentorank.engines.torch.causal_blocks import BlockAttention, BlockPass
from bentorank.engines.torch.causal_rows import lay_out
from bentorank.engines.torch.causal_scores import answer_score, score_row
from bentorank.engines.torch.known_heads import KnownHeads
from bentorank.engines.torch.transfers import upload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from bentorank.types import EncodedPair

SHARING_FAMILIES: Final = frozenset({"gemma", "gemma2", "gemma3_text", "llama", "mistral", "qwen2", "qwen3"})
"""By `model_type`, those whose attention takes a row as it is laid out here, tried in tests."""

# What is kept of requests' beginnings, in parts of the weights: of a 0.6 B model in f32 that is 150 MB, enough for
# six of 100 tokens, and of an 8 B model in half precision 1 GB, for 70. Small models keep as much as does not matter.
_KEPT_PART: Final = 16
_ALWAYS_KEPT_BYTES: Final = 16 * 2**20


class AnswerHead(torch.nn.Module):
    """The rows of a model's output embeddings that are its answers, in f32: two large logits of half a precision would
    leave little of their difference. They are divided by `temperature`.
    """

    def __init__(self, embeddings: torch.nn.Linear, answers: Sequence[int], temperature: float) -> None:
        super().__init__()
        rows = list(answers)
        weight, bias = embeddings.weight, embeddings.bias
        self.weight = _constant(weight.detach()[rows].float() / temperature)
        self.bias = None if bias is None else _constant(bias.detach()[rows].float() / temperature)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits of shape (..., answers)."""
        return torch.nn.functional.linear(hidden.float(), self.weight, self.bias)


def _constant(values: Tensor) -> torch.nn.Parameter:
    return torch.nn.Parameter(values, requires_grad=False)


def keep_answers(
    model: Any,  # noqa: ANN401 - transformers' own classes are many
    answers: Sequence[int],
    temperature: float = 1.0,
) -> None:
    """Let a causal `model` compute the logits of these tokens alone; what follows its head, such as a cap, stays."""
    model.set_output_embeddings(AnswerHead(model.get_output_embeddings(), answers, temperature))


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
        return answer_score(logits[torch.arange(len(batch), device=logits.device), inputs["own"]])


class SharingForward:
    """Runs a causal model on a CPU, on batches laid out in one row, without padding: what the pairs of a query begin
    with is computed once, and kept for its next batches. One thread at a time.

    `model` is a language model that has kept its answers, or a classifier of the last token. From then on its attention
    takes nothing but such rows.
    """

    padding_free = True

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        self._model = model
        weights = sum(parameter.nbytes for parameter in model.parameters())
        self._known = KnownHeads(max(_ALWAYS_KEPT_BYTES, weights // _KEPT_PART))
        model.set_attn_implementation(CAUSAL_ATTENTION)

    @torch.inference_mode()
    def __call__(self, batch: Sequence[EncodedPair]) -> Tensor:
        """Logits of shape (len(batch),) on the model's device, in its precision or in f32."""
        row, device = lay_out(batch, self._known.lengths), self._model.device
        heads = self._known.keys_for(row)
        inputs = upload({"input_ids": row.input_ids, "position_ids": row.position_ids, "ends": row.ends}, device)
        scores = score_row(self._model, inputs, BlockPass(BlockAttention(row, device), heads))
        self._known.keep(heads.computed)
        return scores
