"""Where OpenVINO's time goes, by its own counters, in models that someone else compiles."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bentorank.engines.openvino.telemetry import forbid_telemetry

forbid_telemetry()
import openvino  # noqa: E402 - only after telemetry is forbidden

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COUNTERS = {"PERF_COUNT": True}


class Kind(StrEnum):
    """What an operation does for an encoder. The activation function of a feed-forward layer is part of its product."""

    MATRIX_PRODUCTS = "matrix products"
    ATTENTION = "attention"
    ELEMENTWISE = "norms, elementwise"
    MOVEMENT = "transposes, conversions"
    EMBEDDINGS = "embeddings"
    OTHER = "other"


# By the CPU plugin's names for the types of its operations.
KINDS = {
    Kind.ELEMENTWISE: frozenset(
        {"MVN", "RMS", "Add", "Subtract", "Multiply", "MulAdd", "Divide", "Eltwise", "FakeQuantize", "Subgraph"}
        | {"Erf", "Gelu", "Relu", "Sigmoid", "Tanh", "ReduceMean", "Sqrt", "Power", "SquaredDifference"}
    ),
    Kind.MOVEMENT: frozenset(
        {"Transpose", "Reorder", "Reshape", "Convert", "Concatenation", "Split", "Slice", "StridedSlice", "Broadcast"}
    ),
    Kind.EMBEDDINGS: frozenset({"Gather", "GatherCompressed"}),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One node of a compiled model: its name, the plugin's type of it, and the kernel that runs it."""

    name: str
    node_type: str
    kernel: str

    @property
    def kind(self) -> Kind:
        """What it does. Products of two activations are attention: other products have a constant matrix."""
        if self.node_type.startswith("FullyConnected"):
            return Kind.MATRIX_PRODUCTS
        if "attention" in self.node_type.lower() or "scaled_dot_product_attention" in self.name:
            return Kind.ATTENTION
        if self.node_type in {"MatMul", "Softmax", "MHA"}:
            return Kind.ATTENTION
        return next((kind for kind, types in KINDS.items() if self.node_type in types), Kind.OTHER)


def by_kind(seconds: Mapping[Operation, float]) -> dict[str, float]:
    """The share of each kind, the largest first; they add up to 1."""
    sums: dict[str, float] = defaultdict(float)
    for operation, taken_s in seconds.items():
        sums[operation.kind.value] += taken_s
    total = sum(sums.values())
    return {kind: taken_s / total for kind, taken_s in sorted(sums.items(), key=lambda item: -item[1])}


@dataclass(slots=True)
class Counted:
    """What was compiled while it was watched: the models, and their requests."""

    models: list[Any] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)

    def seconds(self, passes: int) -> dict[Operation, float]:
        """Time in each operation since it was compiled, in so many passes that the requests shared evenly."""
        sums: dict[Operation, float] = defaultdict(float)
        for request in self.requests:
            for operation, taken_s in operation_seconds(request, passes).items():
                sums[operation] += taken_s / len(self.requests)
        return dict(sums)


def operation_seconds(request: Any, passes: int) -> dict[Operation, float]:  # noqa: ANN401 - openvino is untyped
    """Time in each operation of a request's model in the `passes` since it was compiled: counters are averages."""
    return {
        Operation(info.node_name, info.node_type, info.exec_type): info.real_time.total_seconds() * passes
        for info in request.get_profiling_info()
    }


@contextmanager
def counting() -> Iterator[Counted]:
    """All that is compiled inside counts the time of its operations, whoever compiles it and however."""
    counted = Counted()
    compile_model, create_request = openvino.Core.compile_model, openvino.CompiledModel.create_infer_request

    def compile_and_count(core: Any, model: Any, device: str, config: dict[str, Any]) -> Any:  # noqa: ANN401
        counted.models.append(compile_model(core, model, device, config | COUNTERS))
        return counted.models[-1]

    def create_and_keep(compiled: Any) -> Any:  # noqa: ANN401
        counted.requests.append(create_request(compiled))
        return counted.requests[-1]

    openvino.Core.compile_model, openvino.CompiledModel.create_infer_request = compile_and_count, create_and_keep
    try:
        yield counted
    finally:
        openvino.Core.compile_model, openvino.CompiledModel.create_infer_request = compile_model, create_request
