"""A language model as OpenVINO gets it: the logits after each prompt's last token, and nothing that they do not need.

Imports torch, so only conversion does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import torch
from transformers import AttentionInterface, AttentionMaskInterface

from bentorank.engines.openvino.shared_beginning import pad_rests
from bentorank.engines.self_check import F32_TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from bentorank.engines.checkpoint import Checkpoint
    from bentorank.types import EncodedPair

# transformers' own classes are many.
Model: TypeAlias = Any

_ATTENTION: Final = "bentorank_causal"


def last_token_logits(
    model: Model, checkpoint: Checkpoint, probes: Sequence[EncodedPair], expected: Tensor
) -> torch.nn.Module | None:
    """`model` as a function of what `pad_rests` makes of a batch to logits of shape (pairs, labels).

    No token sees those after it, so padding needs no mask, and what all pairs begin with is computed once. None where
    `model` does not score `probes` as `expected` that way: one that looks ahead, whose head reads more than the last
    token, or that attends in a way of its own.
    """
    layout = _Layout()
    if checkpoint.answer is not None:
        model.set_output_embeddings(_LastTokens(model.get_output_embeddings(), layout))
        alone: torch.nn.Module = _CausalLogits(model, layout)
    elif isinstance(getattr(model, "score", None), torch.nn.Linear):
        alone = _Labels(model, layout)
    else:
        return None
    before = model.config._attn_implementation  # noqa: SLF001 - no getter
    _attend_to_the_past(model, layout, checkpoint.max_tokens)
    if _agrees(alone, checkpoint, probes, expected):
        return alone
    model.set_attn_implementation(before)
    return None


class _Layout:
    """Of one pass, whose tokens stand in one row: what is shared, then each pair's own, padded to one width."""

    shared: int
    pairs: int
    width: int
    input_ids: Tensor
    position_ids: Tensor
    last: Tensor

    def lay_out(self, shared_ids: Tensor, input_ids: Tensor, attention_mask: Tensor) -> None:
        """From shapes (1, shared), (pairs, width) and (pairs, width)."""
        self.shared = shared_ids.shape[1]
        self.pairs, self.width = input_ids.shape
        self.input_ids = torch.cat([shared_ids, input_ids.reshape(1, -1)], dim=1)  # (1, tokens)
        own = torch.arange(self.width) + self.shared
        self.position_ids = torch.cat([torch.arange(self.shared), own.repeat(self.pairs)])[None]
        # Where each pair's last token stands in the row.
        self.last = self.shared + torch.arange(self.pairs) * self.width + attention_mask.sum(1) - 1

    def taken_apart(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """From (1, heads, tokens, width of a head) to (1, heads, shared, …) and (pairs, heads, width, …)."""
        _, heads, _, size = states.shape
        own = states[0, :, self.shared :].reshape(heads, self.pairs, self.width, size)
        return states[:, :, : self.shared], own.transpose(0, 1)

    def put_together(self, shared: Tensor, own: Tensor) -> Tensor:
        """The reverse, but with heads behind tokens: (1, tokens, heads, …)."""
        return torch.cat([shared.transpose(1, 2), own.transpose(1, 2).flatten(0, 1)[None]], dim=1)


class _LastTokens(torch.nn.Module):
    """A head that multiplies the last token of each pair."""

    def __init__(self, head: torch.nn.Module, layout: _Layout) -> None:
        super().__init__()
        self._head, self._layout = head, layout

    def forward(self, hidden: Tensor) -> Tensor:
        """From (1, tokens, width) to (1, pairs, answers)."""
        logits: Tensor = self._head(hidden[:, self._layout.last])
        return logits


class _CausalLogits(torch.nn.Module):
    """What follows the head, such as a cap, stays."""

    def __init__(self, model: Model, layout: _Layout) -> None:
        super().__init__()
        self._model, self._layout = model, layout

    def forward(self, shared_ids: Tensor, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        layout = self._layout
        layout.lay_out(shared_ids, input_ids, attention_mask)
        model_output = self._model(input_ids=layout.input_ids, position_ids=layout.position_ids, use_cache=False)
        logits: Tensor = model_output.logits[0]
        return logits


class _Labels(torch.nn.Module):
    """Of transformers' classifiers on the last token, whose head is a layer named `score`."""

    def __init__(self, model: Model, layout: _Layout) -> None:
        super().__init__()
        self._body, self._head, self._layout = model.base_model, model.score, layout

    def forward(self, shared_ids: Tensor, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        layout = self._layout
        layout.lay_out(shared_ids, input_ids, attention_mask)
        body_output = self._body(input_ids=layout.input_ids, position_ids=layout.position_ids, use_cache=False)
        logits: Tensor = self._head(body_output.last_hidden_state[0, layout.last])
        return logits


def _attend_to_the_past(model: Model, layout: _Layout, max_tokens: int) -> None:
    """Have `model` attend as the layout says, where transformers would trace masks of its own."""

    def attend(  # noqa: PLR0913 - transformers' signature
        _module: Any,  # noqa: ANN401
        query: Tensor,  # (1, heads, tokens, width)
        key: Tensor,  # (1, fewer heads, tokens, width)
        value: Tensor,
        attention_mask: Tensor | None,  # noqa: ARG001 - there is none, see below
        *,
        scaling: float | None = None,
        sliding_window: int | None = None,
        softcap: float | None = None,
        **_unused: Any,  # noqa: ANN401 - dropout and the like
    ) -> tuple[Tensor, None]:
        window = sliding_window if sliding_window and sliding_window < max_tokens else None
        options = _Options(query.shape[-1] ** -0.5 if scaling is None else scaling, window, softcap)
        (shared_query, own_query), (shared_key, own_key), (shared_value, own_value) = (
            layout.taken_apart(states) for states in (query, key, value)
        )
        seen_keys, seen_values = (
            torch.cat([shared.expand(own.shape[0], -1, -1, -1), own], dim=2)
            for shared, own in ((shared_key, own_key), (shared_value, own_value))
        )
        attended = layout.put_together(
            _attended(shared_query, shared_key, shared_value, options),
            _attended(own_query, seen_keys, seen_values, options),
        )
        return attended, None

    AttentionInterface.register(_ATTENTION, attend)
    AttentionMaskInterface.register(_ATTENTION, lambda *_positional, **_named: None)
    model.set_attn_implementation(_ATTENTION)


@dataclass(frozen=True, slots=True)
class _Options:
    """Of a layer's attention: a token sees the last `window` ones, or all, and products are bent to stay below
    `softcap`.
    """

    scaling: float
    window: int | None
    softcap: float | None


def _attended(query: Tensor, key: Tensor, value: Tensor, options: _Options) -> Tensor:
    """From (pairs, heads, queries, width) and keys of fewer heads, the last of which is at the last query."""
    pairs, heads, queries, size = query.shape
    groups = heads // key.shape[1]
    # Heads that share keys follow one another, so they can be taken for more queries of these, with no copy of keys.
    grouped = query.reshape(pairs, heads // groups, groups * queries, size)
    place = torch.arange(queries) + (key.shape[2] - queries)
    distance = place.repeat(groups)[:, None] - torch.arange(key.shape[2])  # of a query to what it may read
    seen = distance >= 0
    if options.window is not None:
        seen = seen & (distance < options.window)
    if options.softcap is None:
        attended = torch.nn.functional.scaled_dot_product_attention(
            grouped, key, value, attn_mask=seen, scale=options.scaling
        )
    else:
        products = torch.tanh(grouped @ key.transpose(2, 3) * options.scaling / options.softcap) * options.softcap
        attended = torch.softmax(products.masked_fill(~seen, torch.finfo(products.dtype).min), dim=-1) @ value
    return attended.reshape(pairs, heads, queries, size)


@torch.inference_mode()
def _agrees(module: torch.nn.Module, checkpoint: Checkpoint, probes: Sequence[EncodedPair], expected: Tensor) -> bool:
    inputs = pad_rests(probes, checkpoint.pad_token_id).as_inputs()
    try:
        logits = module(**{name: torch.from_numpy(array) for name, array in inputs.items()})
    except Exception:  # noqa: BLE001 - of whatever kind: the model is not what it was taken for
        return False
    scores = logits[:, 0]
    if logits.shape[1] > 1:
        scores = scores - logits[:, 1] if checkpoint.answer is not None else logits[:, 1] - scores
    difference = float((scores - expected).abs().max())
    return difference <= F32_TOLERANCE * max(1.0, float(expected.abs().max()))
