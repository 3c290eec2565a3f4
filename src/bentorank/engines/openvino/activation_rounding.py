"""Leaves out a calibrated model's rounding of activations, where the CPU gains nothing by it."""

from __future__ import annotations

from typing import Any


def remove_activation_rounding(model: Any) -> int:  # noqa: ANN401 - openvino is untyped
    """Take every FakeQuantize out of `model`, an `openvino.Model`, in place; how many there were.

    Weights are stored as integers, so what is left of these rounds activations. Without it the model is the one
    with int8 weights alone, nearer to the original.
    """
    rounding = [operation for operation in model.get_ordered_ops() if operation.get_type_name() == "FakeQuantize"]
    for operation in rounding:
        unrounded = operation.input_value(0)
        for reader in operation.output(0).get_target_inputs():
            reader.replace_source_output(unrounded)
    model.validate_nodes_and_infer_types()
    return len(rounding)
