"""Scores a few pairs before a model is handed over: one that loads may still say nothing, or no numbers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from bentorank.engines.warm_up import PROBES
from bentorank.errors import ConfigurationError
from bentorank.types import LengthPolicy

if TYPE_CHECKING:
    from bentorank.engines.protocol import Engine

# Two short ones, and a long one that they are padded to; the longest would take half a second.
_PAIRS = (*PROBES[:2], PROBES[3])

# Logits this near to each other are one, whatever was read; random tiny models are a thousand times farther apart.
SAME_LOGIT = 1e-6
# Of the largest logit, or of 1. Another width is computed in another order, which moves logits of deep models by a
# tenth of this in f32; a model that reads its padding moves them by hundreds of times as much.
F32_TOLERANCE = 1e-4
# Rounded arithmetic moves a logit by hundredths with the width that a pair is padded to.
SUSPICIOUS_SHIFT = 0.25
SUSPICIOUS_SHARE = 0.1

logger = logging.getLogger(__name__)


def check_scores(engine: Engine) -> None:
    """Raises ConfigurationError where logits are not finite, or the same for all pairs.

    Where a short pair scores otherwise beside a long one, padded to its width, than alone: raises in f32 on a CPU, and
    warns where arithmetic is rounded.
    """
    info = engine.info
    batch = [chunks[0] for chunks in engine.encode_chunks(_PAIRS, LengthPolicy(cut_query=True))]
    logits = engine.forward(batch)
    if not np.isfinite(logits).all():
        raise ConfigurationError(
            f"model {info.model}: its scores are not finite in {info.precision}; try BENTORANK_PRECISION=f32, or"
            " another model"
        )
    spread = float(np.ptp(logits))
    if spread <= SAME_LOGIT:
        raise ConfigurationError(
            f"model {info.model}: it gives every pair the same score ({logits[0]:.4g}), so it cannot rank"
        )
    shift = abs(float(engine.forward(batch[:1])[0] - logits[0]))
    exact = info.precision == "f32" and info.device == "cpu"
    if exact and shift > F32_TOLERANCE * max(1.0, float(np.abs(logits).max())):
        raise ConfigurationError(
            f"model {info.model}: it scores a pair {shift:.2g} higher or lower beside a longer one than alone, as if"
            " padding were text, so a score would depend on the other documents"
        )
    if shift > max(SUSPICIOUS_SHIFT, SUSPICIOUS_SHARE * spread):
        logger.warning(
            "in %s a pair scores %.2f higher or lower beside a long one than alone; compare BENTORANK_PRECISION=f32",
            info.precision,
            shift,
        )
