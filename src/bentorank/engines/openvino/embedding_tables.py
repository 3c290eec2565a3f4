"""Rounded embedding tables, kept in the type that the model computes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def keep_tables_in_bf16(model: Any) -> int:  # noqa: ANN401 - openvino is untyped
    """Turn the tables of int8 rows of `model`, an `openvino.Model` to be computed in bf16, into bf16; how many.

    A table of int8 rows with a scale each is their product. OpenVINO would compute that for all rows, keep it in f32
    for each compiled model, 45 MiB each of the starter, and round what was looked up to bf16. Rounded before it gives
    the same bits from half of the memory.
    """
    lookups = [operation for operation in model.get_ordered_ops() if operation.get_type_name() == "Gather"]
    return sum(_keep_in_bf16(lookup) for lookup in lookups)


def _keep_in_bf16(lookup: Any) -> bool:  # noqa: ANN401
    import openvino  # noqa: PLC0415 - only after telemetry is forbidden
    from openvino import opset13  # noqa: PLC0415

    table, rows, axis = lookup.input_values()
    parts = _rounded_table(table)
    if parts is None:
        return False
    numbers, scales = parts
    bits = bf16_bits(numbers.astype(np.float32) * scales.astype(np.float32))
    # Memory of its own: that of an array would end with the array.
    tensor = openvino.Tensor(openvino.Type.bf16, openvino.Shape(bits.shape))
    tensor.data.view(np.uint16)[:] = bits
    found = opset13.gather(openvino.op.Constant(tensor), rows, axis)
    as_before = opset13.convert(found, lookup.get_output_element_type(0))
    for reader in lookup.output(0).get_target_inputs():
        reader.replace_source_output(as_before.output(0))
    return True


def bf16_bits(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The nearest bf16 of finite `values`, ties to even: the upper halves of their bits, rounded."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def _rounded_table(table: Any) -> tuple[NDArray[np.int8], NDArray[np.float16]] | None:  # noqa: ANN401
    """The int8 rows and their scales, shape (rows, 1), if `table` is made of those."""
    product = _unconverted(table)
    if product.get_type_name() != "Multiply":
        return None
    parts = [_unconverted(factor) for factor in product.input_values()]
    if any(part.get_type_name() != "Constant" for part in parts):
        return None
    numbers, scales = (part.get_data() for part in parts)
    is_rounded = numbers.dtype == np.int8 and scales.dtype == np.float16
    return (numbers, scales) if is_rounded and scales.shape == (len(numbers), 1) else None


def _unconverted(output: Any) -> Any:  # noqa: ANN401
    """The operation that `output` comes from, before changes of its type."""
    operation = output.get_node()
    while operation.get_type_name() == "Convert":
        operation = operation.input_value(0).get_node()
    return operation
