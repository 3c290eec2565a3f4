"""The padding-free way through a torch model: a batch is one row of tokens, and each pair attends to itself alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.nn.functional import embedding_bag

from bentorank.engines.collation import longest, pack
from bentorank.engines.torch_packed_attention import PACKED_ATTENTION, Sequences
from bentorank.engines.torch_padding import upload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bentorank.types import EncodedPair


@dataclass(frozen=True, slots=True)
class Family:
    """What sets an architecture apart.

    `head` takes the model, its hidden states of shape (tokens, width) and where the pairs are, and gives logits of
    shape (pairs, 1). `counts_after_padding`: position ids start after the padding id.
    """

    head: Callable[[Any, torch.Tensor, Sequences], torch.Tensor]
    counts_after_padding: bool = False


def _bert_head(model: Any, hidden: torch.Tensor, sequences: Sequences) -> torch.Tensor:  # noqa: ANN401
    logits: torch.Tensor = model.classifier(model.base_model.pooler(hidden[sequences.firsts, None]))
    return logits


def _roberta_head(model: Any, hidden: torch.Tensor, sequences: Sequences) -> torch.Tensor:  # noqa: ANN401
    logits: torch.Tensor = model.classifier(hidden[sequences.firsts, None])
    return logits


def _modernbert_head(model: Any, hidden: torch.Tensor, sequences: Sequences) -> torch.Tensor:  # noqa: ANN401
    reads_all = model.config.classifier_pooling == "mean"
    pooled = _means(hidden, sequences) if reads_all else hidden[sequences.firsts]
    logits: torch.Tensor = model.classifier(model.head(pooled))
    return logits


def _means(hidden: torch.Tensor, sequences: Sequences) -> torch.Tensor:
    """The mean of each sequence's tokens, shape (sequences, width): a sequence is a bag of rows of `hidden`."""
    rows = torch.arange(len(hidden), dtype=torch.int32, device=hidden.device)
    return embedding_bag(rows, hidden, sequences.bounds, mode="mean", include_last_offset=True)


FAMILIES: Final = {
    "bert": Family(_bert_head),
    "roberta": Family(_roberta_head, counts_after_padding=True),
    "xlm-roberta": Family(_roberta_head, counts_after_padding=True),
    "modernbert": Family(_modernbert_head),
}
"""By `model_type`. The others have attention of their own, or heads that were not looked at."""


class PackedForward:
    """Runs a sequence-classification model of one of FAMILIES on packed batches.

    The model's own embeddings, layers and head do the work; from then on its attention takes nothing but packed rows.
    """

    padding_free = True

    def __init__(self, model: Any, pad_token_id: int) -> None:  # noqa: ANN401 - transformers' own classes are many
        self._model = model
        self._family = FAMILIES[model.config.model_type]
        self._counted_after = pad_token_id if self._family.counts_after_padding else None
        model.set_attn_implementation(PACKED_ATTENTION)

    @torch.inference_mode()
    def __call__(self, batch: Sequence[EncodedPair]) -> torch.Tensor:
        """Logits of shape (len(batch),) on the model's device, in its precision."""
        packed = pack(batch, counted_after=self._counted_after)
        uploaded = upload({"bounds": packed.bounds, **packed.as_inputs()}, self._model.device)
        sequences = Sequences(uploaded.pop("bounds"), longest(batch))
        hidden = self._model.base_model(**uploaded, sequences=sequences).last_hidden_state[0]  # (tokens, width)
        return self._family.head(self._model, hidden, sequences)[:, 0]
