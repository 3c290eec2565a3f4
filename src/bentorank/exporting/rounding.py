"""How an exported model is rounded: the ways to try, and the model that each makes."""

from __future__ import annotations

import io
import logging
from contextlib import contextmanager, redirect_stdout
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING

from bentorank.engines.collation import pad
from bentorank.engines.hardware import cpu_has_int8_dot_products
from bentorank.engines.openvino.engine import encoder_of
from bentorank.engines.openvino.quantization import with_int8_activations, with_int8_weights
from bentorank.engines.openvino.telemetry import forbid_telemetry
from bentorank.engines.options import Precision
from bentorank.types import LengthPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bentorank.engines.checkpoint import Checkpoint
    from bentorank.engines.openvino.ir_store import StoredModel
    from bentorank.engines.openvino.quantization import Model
    from bentorank.types import Pair


class Activations(StrEnum):
    """How a model rounds activations where the CPU has int8 dot products; the words are people's and export.json's."""

    CALIBRATED = "calibrated"
    AS_THEY_COME = "rounded as they come"
    EXACT = "not rounded"


def ways_to_round(precision: Precision, *, reads_prompts: bool = False) -> tuple[Activations, ...]:
    """The fastest first."""
    if precision is not Precision.INT8:
        return (Activations.EXACT,)
    if reads_prompts:
        # A language model's first token has activations thousands of times those of others, which one scale for all
        # would round to nothing. Source: Sun et al., "Massive Activations in Large Language Models", 2024.
        return (Activations.AS_THEY_COME,)
    if not cpu_has_int8_dot_products():
        # Such a CPU computes without the scales (openvino/activation_rounding.py), so nothing here could judge them.
        return (Activations.AS_THEY_COME,)
    return (Activations.CALIBRATED, Activations.AS_THEY_COME)


def rounded(checkpoint: Checkpoint, converted: StoredModel, activations: Activations, pairs: Sequence[Pair]) -> Model:
    """The `openvino.Model` of `converted`, which is in f32, rounded; calibrated on `pairs`."""
    forbid_telemetry()
    import openvino  # noqa: PLC0415 - only after telemetry is forbidden

    model = openvino.Core().read_model(converted.xml)
    if activations is Activations.EXACT:
        return model
    with _quiet_nncf():
        if activations is Activations.AS_THEY_COME:
            return with_int8_weights(model)
        encoder = encoder_of(model, converted, checkpoint, fast=False)
        # A small window may be shorter than a query of the built-in texts.
        encoded = chain.from_iterable(encoder.encode_chunks(pairs, LengthPolicy(cut_query=True)))
        return with_int8_activations(model, [pad([pair], checkpoint.pad_token_id).as_inputs() for pair in encoded])


@contextmanager
def _quiet_nncf() -> Iterator[None]:
    """NNCF's bars, tables and log go to stdout, and only the log can be turned off."""
    with redirect_stdout(io.StringIO()):
        import nncf  # noqa: PLC0415 - optional

        nncf.set_log_level(logging.ERROR)
        yield
