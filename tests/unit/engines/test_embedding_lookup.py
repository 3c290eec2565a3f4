"""Rounded embedding tables stay rounded in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.embedding_lookup import look_up_before_rescaling
from bentorank.engines.ir_store import stored_model
from bentorank.engines.options import Precision
from bentorank.wiring import resolve_model

INPUT_IDS = np.array([[101, 2054, 2003, 1037, 3526, 102, 1996, 3526, 2003, 102]], dtype=np.int64)


@pytest.fixture
def starter() -> Any:
    """The shipped int8 model, as it is stored."""
    stored = stored_model(open_checkpoint(resolve_model("starter")), Precision.INT8, Path("unused"))
    return openvino.Core().read_model(stored.xml)


def _compile(model: Any) -> Any:
    exact = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
    return openvino.Core().compile_model(model, "CPU", exact)


def _logit(compiled: Any) -> float:
    segments = np.array([[0] * 6 + [1] * 4], dtype=np.int64)
    inputs = {"input_ids": INPUT_IDS, "attention_mask": np.ones_like(INPUT_IDS), "token_type_ids": segments}
    return float(compiled(inputs)[0][0, 0])


def _largest_constant(compiled: Any) -> tuple[list[int], str]:
    """Shape and type of what the compiled model keeps."""
    kept = [op for op in compiled.get_runtime_model().get_ops() if op.get_rt_info()["layerType"].value == "Const"]
    largest = max(kept, key=lambda op: np.prod(list(op.get_output_shape(0))))
    return list(largest.get_output_shape(0)), largest.get_rt_info()["outputPrecisions"].value


def test_the_compiled_model_keeps_rows_of_int8_and_the_logit_stays(starter: Any) -> None:
    """A quarter of the memory, and nothing to be seen of it."""
    before = _compile(starter.clone())
    assert look_up_before_rescaling(starter) == 3
    after = _compile(starter)
    assert _largest_constant(before) == ([30522, 384], "f32")
    assert _largest_constant(after) == ([30522, 384], "i8")
    assert _logit(after) == pytest.approx(_logit(before), abs=2e-3)


def test_a_model_without_rounded_tables_is_left_alone(converted: Any, cache_dir: Path) -> None:
    """There is nothing to move."""
    stored = stored_model(open_checkpoint(str(converted("bert"))), Precision.F32, cache_dir)
    assert look_up_before_rescaling(openvino.Core().read_model(stored.xml)) == 0
