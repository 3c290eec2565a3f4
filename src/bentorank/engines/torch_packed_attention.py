"""Attention within each sequence of a packed row, registered with transformers under a name of its own.

Uses the FlashAttention kernel that comes with torch; it needs CUDA, half precision and an Ampere GPU or newer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from transformers import AttentionInterface

if TYPE_CHECKING:
    import torch

PACKED_ATTENTION: Final = "bentorank_packed"


@dataclass(frozen=True, slots=True)
class Sequences:
    """Where the sequences of a row begin and end: int32 of shape (sequences + 1,), and tokens of the longest."""

    bounds: torch.Tensor
    longest: int

    @property
    def firsts(self) -> torch.Tensor:
        """The place of each sequence's first token, shape (sequences,)."""
        return self.bounds[:-1]


def attend_within_sequences(  # noqa: PLR0913 - the signature is that of transformers' attention functions
    _module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _mask: torch.Tensor | None,
    *,
    scaling: float,
    sequences: Sequences,
    sliding_window: int | None = None,
    **_: Any,  # noqa: ANN401 - what other attention functions need
) -> tuple[torch.Tensor, None]:
    """Attention over a packed row: from three of shape (1, heads, tokens, width) to (1, tokens, heads, width).

    `sliding_window` counts the tokens seen to each side, the querying one included.
    """
    # torch has it since 2.10. An older one fails here, while the engine loads, and batches are padded.
    from torch.nn.attention.varlen import varlen_attn  # noqa: PLC0415

    side = -1 if sliding_window is None else sliding_window - 1
    packed = varlen_attn(
        query[0].transpose(0, 1),
        key[0].transpose(0, 1),
        value[0].transpose(0, 1),
        sequences.bounds,
        sequences.bounds,
        sequences.longest,
        sequences.longest,
        scale=scaling,
        window_size=(side, side),
    )
    assert not isinstance(packed, tuple), "bug: nothing auxiliary was asked for"
    return packed[None], None


# Registered without a mask function: transformers then makes no mask of tokens × tokens.
AttentionInterface.register(PACKED_ATTENTION, attend_within_sequences)
