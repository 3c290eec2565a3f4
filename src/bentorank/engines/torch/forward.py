"""Which way a batch takes through a torch model: without padding where that is fast and proven right, else padded."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

import torch

from bentorank.engines.torch.causal import SHARING_FAMILIES, SharingForward
from bentorank.engines.torch.causal_packing import PackedCausalForward
from bentorank.engines.torch.failures import described
from bentorank.engines.torch.packing import FAMILIES, PackedForward
from bentorank.engines.torch.padding import PaddedForward
from bentorank.engines.torch.quickening import quicken_if_proven
from bentorank.engines.torch.reading_check import tolerance_of
from bentorank.engines.torch.rounding import tolerated_difference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bentorank.engines.torch.quickening import Quickening
    from bentorank.types import EncodedPair

# FlashAttention's: no f32, and no GPU before Ampere.
_PACKED_DTYPES: Final = frozenset({torch.float16, torch.bfloat16})
_PACKED_CAPABILITY: Final = (8, 0)

logger = logging.getLogger(__name__)


class Forward(Protocol):
    """One way through a model: logits of shape (len(batch),), on its device and in its precision."""

    padding_free: bool

    def __call__(self, batch: Sequence[EncodedPair]) -> torch.Tensor:
        """Score a batch."""
        ...


def choose_forward(
    model: Any,  # noqa: ANN401
    padded: Forward,
    pad_token_id: int,
    probes: Sequence[EncodedPair],
    quickenings: Callable[[], Sequence[Quickening]] = tuple,
) -> Forward:
    """The best way for a transformers `model` on the device that it is on; `padded` is right for every model.

    A causal one without padding on a GPU by the first of `quickenings` that leaves its scores what they are; encoders
    gain nothing by them.
    """
    has_kernel = has_packing_kernel(model.device, model.dtype)
    if model.config.model_type in SHARING_FAMILIES and (has_kernel or model.device.type == "cpu"):
        sharing = share_if_proven(model, padded, probes, has_kernel=has_kernel)
        if has_kernel and sharing.padding_free:
            quicken_if_proven(model, lambda: _scores_of_probes(sharing, probes), quickenings())
        return sharing
    if model.config.model_type in FAMILIES and model.config.num_labels == 1 and has_kernel:
        return pack_if_proven(model, pad_token_id, probes)
    return padded


def has_packing_kernel(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether torch's attention for packed rows runs there."""
    if device.type != "cuda" or dtype not in _PACKED_DTYPES:
        return False
    return torch.cuda.get_device_capability(device) >= _PACKED_CAPABILITY


def share_if_proven(
    model: Any,  # noqa: ANN401
    padded: Forward,
    probes: Sequence[EncodedPair],
    *,
    has_kernel: bool,
) -> Forward:
    """The way that computes once what pairs share, if it scores `probes` as the padded one does; else that."""
    attention = model.config._attn_implementation  # noqa: SLF001 - no getter
    expected = _scores_of_probes(padded, probes)
    try:
        sharing: Forward = PackedCausalForward(model) if has_kernel else SharingForward(model)
        differences = (_scores_of_probes(sharing, probes) - expected).abs()
    except Exception as error:  # noqa: BLE001 - whatever this model or version of torch lacks, the padded way goes on
        reason = f"fails here with {described(error)}"
    else:
        difference, tolerance = differences.max().item(), tolerance_of(model, expected)
        if difference <= tolerance:  # never of NaN
            return sharing
        reason = f"moves logits by {difference:.2g}, more than {tolerance:.2g}"
    logger.warning("what documents of a query begin with is computed for each of them: to share it %s", reason)
    model.set_attn_implementation(attention)
    return padded


def _scores_of_probes(way: Forward, probes: Sequence[EncodedPair]) -> torch.Tensor:
    """Together, in another order and company, and one once more, with what may be kept of its beginning."""
    return torch.cat([way(probes), way(probes[::-1]), way(probes[:1])])


def pack_if_proven(model: Any, pad_token_id: int, probes: Sequence[EncodedPair]) -> Forward:  # noqa: ANN401
    """The packed way, if it scores `probes` as the padded one does but for rounding; else the padded one."""
    padded, attention = PaddedForward(model, pad_token_id), model.config._attn_implementation  # noqa: SLF001 - no getter
    expected = padded(probes)
    try:
        packed = PackedForward(model, pad_token_id)
        difference = (packed(probes) - expected).abs().max().item()
    except Exception as error:  # noqa: BLE001 - whatever this GPU or version of torch lacks, the padded way goes on
        logger.warning("batches are padded: packed ones fail here with %s", type(error).__name__)
    else:
        tolerance = tolerated_difference(expected)
        if difference <= tolerance:  # never of NaN
            return packed
        logger.warning("batches are padded: packed ones differ by %.2g, more than %.2g", difference, tolerance)
    model.set_attn_implementation(attention)
    return padded
