"""Keeps the gated layers of Llama and its kin apart, which OpenVINO fuses into one operation on a CPU with AMX."""

from __future__ import annotations

from typing import Any, Final

_ACTIVATIONS: Final = frozenset({"Swish", "Gelu"})
# Of bf16, so that nothing is cut.
_LARGEST: Final = 3.3895313892515355e38


def keep_gated_layers_apart(model: Any) -> int:  # noqa: ANN401 - openvino is untyped
    """Let `model`, an `openvino.Model`, compute gate, product and projection one by one, in place; how many there are.

    Fused, OpenVINO 2026.4.1 divides by zero, which ends the process, where a pass has one thread, and cannot compile
    int8 layers whose width is no multiple of 64. Apart they are as fast.
    """
    from openvino import opset15  # noqa: PLC0415 - only after telemetry is forbidden

    products = [operation for operation in model.get_ordered_ops() if _is_gated(operation)]
    for product in products:
        readers = list(product.output(0).get_target_inputs())
        # An operation that changes nothing, but that no fusion expects there.
        apart = opset15.clamp(product.output(0), -_LARGEST, _LARGEST)
        for reader in readers:
            reader.replace_source_output(apart.output(0))
    model.validate_nodes_and_infer_types()
    return len(products)


def _is_gated(operation: Any) -> bool:  # noqa: ANN401 - openvino is untyped
    """Whether it is a product of an activation with what was not activated."""
    if operation.get_type_name() != "Multiply":
        return False
    kinds = {operation.input_value(side).get_node().get_type_name() for side in (0, 1)}
    return "MatMul" in kinds and not _ACTIVATIONS.isdisjoint(kinds)
