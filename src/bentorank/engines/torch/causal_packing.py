"""A causal model on a GPU: a batch is one row without padding, in which what the pairs of a query begin with is there
once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from bentorank.engines.torch.causal_attention import CAUSAL_ATTENTION, VarlenPass
from bentorank.engines.torch.causal_buckets import CausalBucket
from bentorank.engines.torch.causal_rows import gather, lay_out
from bentorank.engines.torch.causal_scores import score_row
from bentorank.engines.torch.packed_attention import Sequences
from bentorank.engines.torch.transfers import upload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from bentorank.engines.torch.causal_rows import GatheredRow
    from bentorank.types import EncodedPair


class PackedCausalForward:
    """Runs a causal model on batches laid out in one row, by torch's kernel for variable lengths.

    Nothing is kept from one batch to the next: a pass of a GPU is so large that what its pairs begin with is little of
    it. `model` is a language model that has kept its answers, or a classifier of the last token. From then on its
    attention takes nothing but such rows.
    """

    padding_free = True

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - transformers' own classes are many
        self._model = model
        self.device: torch.device = model.device
        model.set_attn_implementation(CAUSAL_ATTENTION)

    @torch.inference_mode()
    def __call__(self, batch: Sequence[EncodedPair]) -> Tensor:
        """Logits of shape (len(batch),) on the model's device, in its precision or in f32."""
        return self.run(self.pack(batch))

    def pack(self, batch: Sequence[EncodedPair]) -> GatheredRow:
        """The row of a batch."""
        return gather(lay_out(batch, {}))

    @torch.inference_mode()
    def run(self, packed: GatheredRow) -> Tensor:
        """Logits of a packed batch."""
        return self.score(upload(packed.as_arrays(), self.device), packed.longest)

    def score(self, inputs: Mapping[str, Tensor], longest: int) -> Tensor:
        """Logits of shape (ends,), where no stretch sees more than `longest` keys; what the device is told to do
        depends on nothing but shapes.
        """
        row_pass = VarlenPass(Sequences(inputs["own"], longest), Sequences(inputs["seen"], longest), inputs["keys"])
        return score_row(self._model, inputs, row_pass)

    def buckets(self, tokens: int, window: int) -> list[CausalBucket]:
        """Those that its batches can be filled up to."""
        return CausalBucket.up_to(tokens, window)
