"""Rounded embedding tables are kept in the type that is computed in, and change no logit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from numpy.testing import assert_array_equal

from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.hardware import cpu_has_native_bf16
from bentorank.engines.openvino.embedding_tables import bf16_bits, keep_tables_in_bf16
from bentorank.engines.openvino.ir_store import stored_model
from bentorank.engines.options import Precision
from bentorank.wiring import resolve_model

VOCABULARY, WIDTH = 30522, 384


@pytest.fixture
def starter() -> Any:
    """The shipped int8 model, as it is stored."""
    stored = stored_model(open_checkpoint(resolve_model("starter")), Precision.INT8, Path("unused"))
    return openvino.Core().read_model(stored.xml)


def _compile(model: Any) -> Any:
    return openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})


def _logits(compiled: Any) -> Any:
    ids = np.random.default_rng(7).integers(1000, VOCABULARY, (4, 60), dtype=np.int64)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    return compiled(inputs)[0].copy()


def _types_of_tables(compiled: Any) -> set[str]:
    """The types in which the compiled model keeps a row for each word."""
    kept = [op for op in compiled.get_runtime_model().get_ops() if op.get_rt_info()["layerType"].value == "Const"]
    tables = [constant for constant in kept if list(constant.get_output_shape(0)) == [VOCABULARY, WIDTH]]
    return {table.get_rt_info()["outputPrecisions"].value for table in tables}


@pytest.mark.skipif(not cpu_has_native_bf16(), reason="this CPU would emulate bf16")
def test_half_of_the_memory_and_the_same_bits(starter: Any) -> None:
    """What is looked up is rounded to bf16 anyway: rounding the whole table before changes nothing."""
    as_stored = _compile(starter.clone())
    assert keep_tables_in_bf16(starter) == 3, "words, positions and segments"
    kept = _compile(starter)
    assert (_types_of_tables(as_stored), _types_of_tables(kept)) == ({"f32"}, {"bf16"})
    assert_array_equal(_logits(kept), _logits(as_stored))


def test_a_model_without_rounded_tables_is_left_alone(converted: Any, cache_dir: Path) -> None:
    """Its tables are in the mapped file already."""
    stored = stored_model(open_checkpoint(str(converted("bert"))), Precision.F32, cache_dir)
    assert keep_tables_in_bf16(openvino.Core().read_model(stored.xml)) == 0


def test_bf16_is_rounded_to_nearest_and_ties_to_even() -> None:
    """As the CPU rounds: 7 bits of fraction."""
    step = 2.0**-7
    values = np.array([1.0, 1 + step / 4, 1 + step / 2, 1 + 3 * step / 2, -1 - 3 * step / 4, 0.0], dtype=np.float32)
    rounded = np.array([1.0, 1.0, 1.0, 1 + 2 * step, -1 - step, 0.0], dtype=np.float32)
    assert_array_equal(bf16_bits(values).astype(np.uint32) << 16, rounded.view(np.uint32))
