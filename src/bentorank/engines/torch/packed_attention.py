"""Attention within each sequence of a packed row, registered with transformers under a name of its own.

Uses the FlashAttention kernel that comes with torch; it needs CUDA, half precision and an Ampere GPU or newer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from inspect import signature
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import AttentionInterface

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

PACKED_ATTENTION: Final = "bentorank_packed"


@dataclass(frozen=True, slots=True)
class Sequences:
    """Where the sequences of a row begin and end: int32 of shape (sequences + 1,), and tokens of the longest."""

    bounds: Tensor
    longest: int

    @property
    def firsts(self) -> Tensor:
        """The place of each sequence's first token, shape (sequences,)."""
        return self.bounds[:-1]

    def cut_to_first(self) -> Sequences:
        """Where they would be if each had its first token alone."""
        return Sequences(torch.arange(len(self.bounds), dtype=torch.int32, device=self.bounds.device), 1)


def attend(  # noqa: PLR0913 - three tensors, and which of their rows see each other
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    asking: Sequences,
    asked: Sequences,
    scale: float,
    sides: tuple[int, int] = (-1, -1),
) -> Tensor:
    """Let each sequence of queries attend to the keys and values of the sequence with the same number.

    All of shape (tokens, heads, width), and so is what comes back; keys and values may have fewer heads, each for a
    group of the queries'. A token sees so many to its `sides` as they say, and all where that is -1; where a sequence
    has fewer queries than keys, its last query is at its last key.
    """
    # torch has it since 2.10. An older one fails here, while the engine loads, and batches are padded.
    from torch.nn.attention import varlen  # noqa: PLC0415

    kernel = varlen.varlen_attn
    if (group := query.shape[1] // key.shape[1]) > 1:
        if _takes_groups(kernel):
            kernel = partial(kernel, enable_gqa=True)
        else:
            key, value = (states[:, :, None].expand(-1, -1, group, -1).flatten(1, 2) for states in (key, value))
    attended = kernel(
        query,
        key,
        value,
        asking.bounds,
        asked.bounds,
        asking.longest,
        asked.longest,
        scale=scale,
        window_size=sides,
    )
    assert not isinstance(attended, tuple), "bug: nothing auxiliary was asked for"
    return attended


@cache
def _takes_groups(kernel: Callable[..., object]) -> bool:
    """Whether heads of keys may be fewer than those of queries, which torch 2.11 did not let them."""
    return "enable_gqa" in signature(kernel).parameters


def attend_in_row(  # noqa: PLR0913 - the signature is that of transformers' attention functions
    _module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: Tensor | None,
    *,
    scaling: float,
    sequences: Sequences,
    sliding_window: int | None = None,
    **_: Any,  # noqa: ANN401 - what other attention functions need
) -> tuple[Tensor, None]:
    """As transformers calls it: from three of shape (1, heads, tokens, width) to (1, tokens, heads, width).

    `sliding_window` counts the tokens seen to each side, the querying one included.
    """
    side = -1 if sliding_window is None else sliding_window - 1
    query, key, value = (states[0].transpose(0, 1) for states in (query, key, value))
    return attend(query, key, value, asking=sequences, asked=sequences, scale=scaling, sides=(side, side))[None], None


# Registered without a mask function: transformers then makes no mask of tokens × tokens.
AttentionInterface.register(PACKED_ATTENTION, attend_in_row)
