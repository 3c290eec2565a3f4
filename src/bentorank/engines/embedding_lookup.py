"""Keeps rounded embedding tables rounded in memory: rows become floats after they were looked up, not before."""

from __future__ import annotations

from typing import Any

_TABLE, _ROWS, _AXIS = range(3)


def look_up_before_rescaling(model: Any) -> int:  # noqa: ANN401 - openvino is untyped
    """Change `model`, an `openvino.Model`, in place so; how many tables there were.

    A table of int8 rows with a scale each is Convert(rows) × scales. OpenVINO would compute that once for all rows, and
    keep a table of floats for each compiled model: 45 MiB a stream of the starter. Looked up as they are, the rows stay
    in the mapped file. The products are rounded elsewhere, which moves the starter's logits no nearer to the exact ones
    and no further away.
    """
    lookups = [operation for operation in model.get_ordered_ops() if operation.get_type_name() == "Gather"]
    return sum(_move_rescaling(lookup) for lookup in lookups)


def _move_rescaling(lookup: Any) -> bool:  # noqa: ANN401
    from openvino import opset13  # noqa: PLC0415 - only after telemetry is forbidden

    parts = _rounded_table(lookup.input_value(_TABLE))
    if parts is None:
        return False
    table, scales = parts
    rows, axis = lookup.input_value(_ROWS), lookup.input_value(_AXIS)
    float_type = lookup.get_output_element_type(0)
    found = opset13.convert(opset13.gather(table, rows, axis), float_type)
    found_scales = opset13.convert(opset13.gather(scales, rows, axis), float_type)
    rescaled = opset13.multiply(found, found_scales)
    for reader in lookup.output(0).get_target_inputs():
        reader.replace_source_output(rescaled.output(0))
    return True


def _rounded_table(table: Any) -> tuple[Any, Any] | None:  # noqa: ANN401
    """The int8 rows and their scales, shape (rows, 1), if `table` is made of those."""
    product = _unconverted(table).get_node()
    if product.get_type_name() != "Multiply":
        return None
    rows, scales = (_unconverted(product.input_value(position)) for position in range(2))
    constant = all(part.get_node().get_type_name() == "Constant" for part in (rows, scales))
    if not constant or rows.get_element_type().get_type_name() != "i8":
        return None
    has_scale_for_each_row = list(scales.get_shape()) == [rows.get_shape()[0], 1]
    return (rows, scales) if has_scale_for_each_row else None


def _unconverted(output: Any) -> Any:  # noqa: ANN401
    """What `output` is before changes of its type."""
    while output.get_node().get_type_name() == "Convert":
        output = output.get_node().input_value(0)
    return output
