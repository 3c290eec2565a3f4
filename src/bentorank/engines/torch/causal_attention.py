"""Attention of a causal row, registered with transformers: each token sees its head, and what is before it of its own.

On a GPU by the same kernel for variable lengths as packed_attention.py; on a CPU see causal_blocks.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from transformers import AttentionInterface

from bentorank.engines.torch.packed_attention import Sequences, attend

if TYPE_CHECKING:
    from torch import Tensor

CAUSAL_ATTENTION: Final = "bentorank_causal_row"


class RowPass(Protocol):
    """One pass of a row through a model."""

    def attend(  # noqa: PLR0913 - three tensors, and what of them is seen
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, *, scale: float, window: int | None
    ) -> Tensor:
        """From queries of shape (tokens, heads, width), keys and values of shape (tokens, fewer heads, width), to the
        queries' shape. Each token sees the last `window` keys up to its own, or all of them.
        """
        ...


@dataclass(frozen=True, slots=True)
class VarlenPass:
    """By torch's kernel for variable lengths: stretch i of the row's `own` tokens sees the i-th of those `seen`, which
    are gathered from all of the row's `keys`.
    """

    own: Sequences
    seen: Sequences
    keys: Tensor

    def attend(
        self, _layer: int, query: Tensor, key: Tensor, value: Tensor, *, scale: float, window: int | None
    ) -> Tensor:
        """As RowPass has it. The last query of a stretch is aligned with its last key."""
        return attend(
            query,
            key[self.keys],
            value[self.keys],
            asking=self.own,
            asked=self.seen,
            scale=scale,
            sides=(-1 if window is None else window - 1, 0),
        )


def attend_in_causal_row(  # noqa: PLR0913 - the signature is that of transformers' attention functions
    module: Any,  # noqa: ANN401 - transformers' own classes are many
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: Tensor | None,
    *,
    scaling: float,
    row_pass: RowPass,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **_: Any,  # noqa: ANN401 - what other attention functions need
) -> tuple[Tensor, None]:
    """As transformers calls it: from three of shape (1, heads, tokens, width) to (1, tokens, heads, width).

    `sliding_window` counts the tokens seen, the querying one included. Raises NotImplementedError for what neither
    kernel computes.
    """
    if softcap is not None or s_aux is not None or not module.is_causal:
        raise NotImplementedError("scores that are capped, or that have sinks, or look ahead")
    query, key, value = (states[0].transpose(0, 1) for states in (query, key, value))
    attended = row_pass.attend(module.layer_idx, query, key, value, scale=scaling, window=sliding_window)
    return attended[None], None


# Registered without a mask function: transformers then makes no mask of tokens × tokens.
AttentionInterface.register(CAUSAL_ATTENTION, attend_in_causal_row)
