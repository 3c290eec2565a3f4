"""The padding-free way through a torch model: a batch is one row of tokens, and each pair attends to itself alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import torch
from torch.nn.functional import embedding_bag

from bentorank.engines.checkpoint import POSITIONS_AFTER_PADDING
from bentorank.engines.collation import pack
from bentorank.engines.torch.buckets import Bucket
from bentorank.engines.torch.packed_attention import PACKED_ATTENTION, Sequences, attend
from bentorank.engines.torch.transfers import upload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from bentorank.engines.collation import PackedBatch
    from bentorank.types import EncodedPair

# transformers' own classes are many.
Model: TypeAlias = Any
Layer: TypeAlias = Any
Inputs: TypeAlias = "dict[str, Tensor]"


class PackedForward:
    """Runs a sequence-classification model of one of FAMILIES on packed batches.

    The model's own embeddings, layers and head do the work; from then on its attention takes nothing but packed rows.
    """

    padding_free = True

    def __init__(self, model: Model, pad_token_id: int) -> None:
        self._model = model
        self._score = FAMILIES[model.config.model_type]
        self._counted_after = pad_token_id if model.config.model_type in POSITIONS_AFTER_PADDING else None
        self.device: torch.device = model.device
        model.set_attn_implementation(PACKED_ATTENTION)

    @torch.inference_mode()
    def __call__(self, batch: Sequence[EncodedPair]) -> Tensor:
        """Logits of shape (len(batch),) on the model's device, in its precision."""
        return self.run(self.pack(batch))

    def pack(self, batch: Sequence[EncodedPair]) -> PackedBatch:
        """The batch as this model counts positions."""
        return pack(batch, counted_after=self._counted_after)

    @torch.inference_mode()
    def run(self, packed: PackedBatch) -> Tensor:
        """Logits of a packed batch."""
        rows = {name: values[0] for name, values in packed.as_inputs().items()}
        longest = int(np.diff(packed.bounds).max())
        return self.score(upload({"bounds": packed.bounds, **rows}, self.device), longest)

    def score(self, inputs: Mapping[str, Tensor], longest: int) -> Tensor:
        """Logits of shape (sequences,), none of which is longer; what the device is told to do depends on nothing but
        shapes.
        """
        rows = {name: values[None] for name, values in inputs.items() if name != "bounds"}
        return self._score(self._model, rows, Sequences(inputs["bounds"], longest))[:, 0]

    def buckets(self, tokens: int, window: int) -> list[Bucket]:
        """Those that its batches can be filled up to."""
        return Bucket.up_to(tokens, window)


def _score_bert(model: Model, inputs: Inputs, sequences: Sequences) -> Tensor:
    pooled = model.base_model.pooler(_first_tokens(model, inputs, sequences))
    logits: Tensor = model.classifier(pooled)
    return logits


def _score_roberta(model: Model, inputs: Inputs, sequences: Sequences) -> Tensor:
    logits: Tensor = model.classifier(_first_tokens(model, inputs, sequences))
    return logits


def _score_modernbert(model: Model, inputs: Inputs, sequences: Sequences) -> Tensor:
    hidden = model.base_model(**inputs, sequences=sequences).last_hidden_state[0]  # (tokens, width)
    reads_all = model.config.classifier_pooling == "mean"
    pooled = _means(hidden, sequences) if reads_all else hidden[sequences.firsts]
    logits: Tensor = model.classifier(model.head(pooled))
    return logits


FAMILIES: Final[dict[str, Callable[[Model, Inputs, Sequences], Tensor]]] = {
    "bert": _score_bert,
    "roberta": _score_roberta,
    "xlm-roberta": _score_roberta,
    "modernbert": _score_modernbert,
}
"""By `model_type`, how a model scores a row: logits of shape (pairs, 1)."""


def _first_tokens(model: Model, inputs: Inputs, sequences: Sequences) -> Tensor:
    """Hidden states of each pair's first token after the last of BERT's layers, shape (pairs, 1, width)."""
    *layers, last = model.base_model.encoder.layer
    hidden = model.base_model.embeddings(**inputs)  # (1, tokens, width)
    for layer in layers:
        hidden = layer(hidden, sequences=sequences)
    return _apply_to_first_tokens(last, hidden, sequences).transpose(0, 1)


def _apply_to_first_tokens(layer: Layer, hidden: Tensor, sequences: Sequences) -> Tensor:
    """One of BERT's layers for what the head reads: all tokens as keys and values, the rest for first tokens alone."""
    attention = layer.attention.self
    firsts = hidden[:, sequences.firsts]  # (1, pairs, width)
    projections = (attention.query(firsts), attention.key(hidden), attention.value(hidden))
    query, key, value = (states[0].unflatten(-1, (attention.num_attention_heads, -1)) for states in projections)
    attended = attend(
        query, key, value, asking=sequences.cut_to_first(), asked=sequences, scale=attention.scaling
    )  # (pairs, heads, width of a head)
    return layer.feed_forward_chunk(layer.attention.output(attended.flatten(1)[None], firsts))  # type: ignore[no-any-return]


def _means(hidden: Tensor, sequences: Sequences) -> Tensor:
    """The mean of each sequence's tokens, shape (sequences, width): a sequence is a bag of rows of `hidden`."""
    rows = torch.arange(len(hidden), dtype=torch.int32, device=hidden.device)
    return embedding_bag(rows, hidden, sequences.bounds, mode="mean", include_last_offset=True)
