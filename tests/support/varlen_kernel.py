"""A CPU kernel for torch's variable-length attention, by its documentation: slow, plain, in any precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

UNLIMITED = 1 << 30


def register() -> None:
    """Let `varlen_attn`, which torch computes on CUDA alone, run on the CPU too, for the rest of the process."""
    from torch.nn.attention import varlen  # noqa: F401 - defines the operation

    torch.library.register_kernel("torch_attn::_varlen_attn", "cpu", _attend)


def forget_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give `varlen_attn` the arguments that it had in torch 2.11."""
    from torch.nn.attention import varlen

    today = varlen.varlen_attn

    def varlen_attn(*tensors: Any, scale: float | None = None, window_size: tuple[int, int] = (-1, -1)) -> Any:
        return today(*tensors, scale=scale, window_size=window_size)

    monkeypatch.setattr(varlen, "varlen_attn", varlen_attn)


def _attend(  # noqa: PLR0913, PLR0917 - the operation's own signature
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_bounds: torch.Tensor,
    key_bounds: torch.Tensor,
    longest_query: int,
    longest_key: int,
    causal: bool,  # noqa: FBT001
    scale: float,
    window: Sequence[int],
    enable_gqa: bool = False,  # noqa: FBT001, FBT002
    *_: Any,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Three tensors of shape (tokens, heads, width) to a fourth, and two that only training reads."""
    # What the kernel for CUDA insists on.
    assert query_bounds.dtype == key_bounds.dtype == torch.int32
    assert query.stride(-1) == key.stride(-1) == value.stride(-1) == 1
    assert enable_gqa or query.shape[1] == key.shape[1]
    assert causal == (tuple(window) == (-1, 0))
    left, right = (UNLIMITED if side < 0 else side for side in window)
    key, value = (states.repeat_interleave(query.shape[1] // key.shape[1], 1) for states in (key, value))
    attended = torch.empty_like(query)
    for queries, keys in zip(_slices(query_bounds), _slices(key_bounds), strict=True):
        assert queries.stop - queries.start <= longest_query
        assert keys.stop - keys.start <= longest_key
        scores = torch.einsum("qhw,khw->hqk", query[queries], key[keys]).float() * scale
        # The last query is at the last key.
        places = torch.arange(scores.shape[1]) + scores.shape[2] - scores.shape[1]
        distance = torch.arange(scores.shape[2])[None] - places[:, None]
        scores.masked_fill_((distance < -left) | (distance > right), float("-inf"))
        attended[queries] = torch.einsum("hqk,khw->qhw", scores.softmax(-1).to(value.dtype), value[keys])
    return attended, query.new_empty(0), query.new_empty(0)


def _slices(bounds: torch.Tensor) -> Iterator[slice]:
    return map(slice, bounds[:-1].tolist(), bounds[1:].tolist())
