"""Leaves out a calibrated model's rounding of activations, where the CPU gains nothing by it or computes it wrongly."""

from __future__ import annotations

from typing import Any

# Only the shape of what they pass on is another.
_RESHAPING = frozenset({"Reshape", "Transpose", "Unsqueeze", "Squeeze"})


def remove_activation_rounding(model: Any) -> int:  # noqa: ANN401 - openvino is untyped
    """Take every FakeQuantize out of `model`, an `openvino.Model`, in place; how many there were.

    Weights are stored as integers, so what is left of these rounds activations. Without it the model is the one
    with int8 weights alone, nearer to the original.
    """
    return _take_out(model, _roundings(model))


def remove_attention_rounding(model: Any) -> int:  # noqa: ANN401 - openvino is untyped
    """Take out, in place, what rounds the queries and keys of attention; how many there were.

    With AMX, OpenVINO 2026.4.1 multiplies int8 queries with 32 keys or fewer wrongly: short pairs of the starter
    correlated by .40 with exact logits, and by .999 when these products are in bf16, at the same speed.
    """
    return _take_out(model, [rounding for rounding in _roundings(model) if _is_attended(rounding)])


def _roundings(model: Any) -> list[Any]:  # noqa: ANN401 - openvino is untyped
    return [operation for operation in model.get_ordered_ops() if operation.get_type_name() == "FakeQuantize"]


def _is_attended(operation: Any) -> bool:  # noqa: ANN401 - openvino is untyped
    """Whether attention reads its output, reshaped perhaps."""
    for target in operation.output(0).get_target_inputs():
        reader = target.get_node()
        kind = reader.get_type_name()
        if kind == "ScaledDotProductAttention" or (kind in _RESHAPING and _is_attended(reader)):
            return True
    return False


def _take_out(model: Any, roundings: list[Any]) -> int:  # noqa: ANN401 - openvino is untyped
    for rounding in roundings:
        unrounded = rounding.input_value(0)
        for reader in rounding.output(0).get_target_inputs():
            reader.replace_source_output(unrounded)
    model.validate_nodes_and_infer_types()
    return len(roundings)
