"""Which way a batch takes through a torch model: packed where that is fast and proven right, else padded."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

import torch

from bentorank.engines.torch.packing import FAMILIES, PackedForward
from bentorank.engines.torch.padding import PaddedForward
from bentorank.engines.torch.rounding import tolerated_difference

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def choose_forward(model: Any, pad_token_id: int, probes: Sequence[EncodedPair]) -> Forward:  # noqa: ANN401
    """The best way for a transformers sequence-classification `model` on the device that it is on."""
    packs = model.config.model_type in FAMILIES and model.config.num_labels == 1
    if packs and has_packing_kernel(model.device, model.dtype):
        return pack_if_proven(model, pad_token_id, probes)
    return PaddedForward(model, pad_token_id)


def has_packing_kernel(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether torch's attention for packed rows runs there."""
    if device.type != "cuda" or dtype not in _PACKED_DTYPES:
        return False
    return torch.cuda.get_device_capability(device) >= _PACKED_CAPABILITY


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
