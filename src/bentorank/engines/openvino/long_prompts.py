"""How long a prompt may be: the memory of a language model's attention grows with the square of it in OpenVINO."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bentorank.engines.stored_files import read_json

if TYPE_CHECKING:
    from bentorank.engines.checkpoint import Checkpoint

# For each token and each that it may see, and each head that shares keys with others: 3.2 GiB were taken for 12,892
# tokens and two such heads.
_BYTES: Final = 10
# A passage of 200,000 characters would else take all of the memory, and the process with it.
_MEMORY_SHARE: Final = 8
_STEP: Final = 1024

logger = logging.getLogger(__name__)


def with_window_that_fits(checkpoint: Checkpoint, *, memory_bytes: int) -> Checkpoint:
    """With the window for which attention takes no more than an eighth of the memory of a pass; a warning says so."""
    config = read_json(checkpoint.folder / "config.json")
    heads = int(config.get("num_attention_heads") or 1)
    sharing = math.ceil(heads / int(config.get("num_key_value_heads") or heads))
    fitting = math.isqrt(memory_bytes // _MEMORY_SHARE // (_BYTES * sharing)) // _STEP * _STEP
    window = max(_STEP, fitting)
    if window >= checkpoint.max_tokens:
        return checkpoint
    logger.warning(
        "%s reads %d tokens of a pair, not the %d of its window, for want of memory: BENTORANK_MAX_PAIR_TOKENS decides"
        " otherwise",
        checkpoint.name,
        window,
        checkpoint.max_tokens,
    )
    return replace(checkpoint, max_tokens=window)
