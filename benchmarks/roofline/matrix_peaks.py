"""The speed of a single product of two matrices through OpenVINO: what this CPU can do at most with such a model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.roofline.openvino_profile import COUNTERS, Kind, operation_seconds
from bentorank.engines.openvino.telemetry import forbid_telemetry

forbid_telemetry()
import openvino  # noqa: E402 - only after telemetry is forbidden
from openvino import opset13 as ops  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.roofline.openvino_profile import Operation

SEED = 13
# The best of the rounds counts, after one that warms up.
ROUNDS, PASSES = 5, 8
# As wide as random activations reach.
ACTIVATION_RANGE = 4.0
INT8_LEVELS = 256
GROUP_SIZE = "DYNAMIC_QUANTIZATION_GROUP_SIZE"


class Arithmetic(StrEnum):
    """In what a product is computed, and for int8 whether activations are rounded by their own scales or fixed ones."""

    F32 = "f32"
    BF16 = "bf16"
    INT8_DYNAMIC = "int8, dynamic scales"
    INT8_STATIC = "int8, fixed scales"


@dataclass(frozen=True, slots=True)
class Product:
    """Of a (rows, inner) matrix with a constant (inner, columns) one."""

    rows: int
    inner: int
    columns: int

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.rows * self.inner * self.columns


def peak_flops(product: Product, arithmetic: Arithmetic, properties: dict[str, Any]) -> tuple[float, str]:
    """Operations per second of the product alone, and the kernel that computed it.

    Time in the kernel by OpenVINO's counters; conversions of its input and output do not count, except that rounding
    by dynamic scales is part of the kernel. `properties` are OpenVINO's for compiling.
    """
    config = _properties(arithmetic, properties) | COUNTERS
    compiled = openvino.Core().compile_model(_model(product, arithmetic), "CPU", config)
    request = compiled.create_infer_request()
    rows = np.random.default_rng(SEED).standard_normal((product.rows, product.inner), dtype=np.float32)
    totals, kernel = [], ""
    for number in range(1, ROUNDS + 2):
        for _ in range(PASSES):
            request.infer([rows], share_inputs=True)
        total_s, kernel = _total(operation_seconds(request, number * PASSES))
        totals.append(total_s)
    # The first round warmed up.
    rounds_s = [later - earlier for earlier, later in pairwise(totals)]
    return product.flops * PASSES / min(rounds_s), kernel


def _total(seconds: Mapping[Operation, float]) -> tuple[float, str]:
    """Seconds in the product so far, and its kernel."""
    (found,) = [operation for operation in seconds if operation.kind is Kind.MATRIX_PRODUCTS]
    return seconds[found], found.kernel


def _properties(arithmetic: Arithmetic, given: dict[str, Any]) -> dict[str, Any]:
    if arithmetic in (Arithmetic.F32, Arithmetic.BF16):
        return given | {"INFERENCE_PRECISION_HINT": arithmetic.value}
    if arithmetic is Arithmetic.INT8_DYNAMIC and not int(given[GROUP_SIZE]):
        # An engine that has them turned off: as OpenVINO itself would.
        return {name: value for name, value in given.items() if name != GROUP_SIZE}
    return given


def _model(product: Product, arithmetic: Arithmetic) -> openvino.Model:
    """Activations and result in f32, the constant matrix in f32 or in int8 with a scale for each column."""
    rows = ops.parameter([product.rows, product.inner], openvino.Type.f32)
    read = rows
    if arithmetic is Arithmetic.INT8_STATIC:
        low, high = np.float32(-ACTIVATION_RANGE), np.float32(ACTIVATION_RANGE)
        read = ops.fake_quantize(rows, low, high, low, high, INT8_LEVELS)
    matrix = _matrix((product.columns, product.inner), is_int8=arithmetic.startswith("int8"))
    return openvino.Model([ops.result(ops.matmul(read, matrix, transpose_a=False, transpose_b=True))], [rows])


def _matrix(shape: tuple[int, int], *, is_int8: bool) -> openvino.Node:
    random = np.random.default_rng(SEED)
    if not is_int8:
        return ops.constant(random.standard_normal(shape, dtype=np.float32))
    integers = ops.constant(random.integers(-127, 128, shape, dtype=np.int8))
    scales = ops.constant(np.full((shape[0], 1), 0.01, dtype=np.float32))
    return ops.multiply(ops.convert(integers, "f32"), scales)
