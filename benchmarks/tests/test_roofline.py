"""What is counted as floating-point operations, and which operation of a compiled model counts as what."""

from __future__ import annotations

from math import prod
from pathlib import Path

import orjson
import pytest

from benchmarks.harness.encoder_shapes import encoder_flops, product_flops
from benchmarks.roofline.matrix_peaks import Arithmetic, Product, peak_flops
from benchmarks.roofline.openvino_profile import Kind, Operation, by_kind, counting, openvino
from benchmarks.roofline.report import best_peaks
from bentorank.engines import EngineOptions, load_engine
from bentorank.types import Pair
from bentorank.wiring import resolve_model

STARTER = Path(resolve_model("starter"))
SHAPE = orjson.loads((STARTER / "config.json").read_bytes())


def flops_of_model(model: openvino.Model, pairs: int, tokens: int) -> tuple[int, int]:
    """Of the products with weights, and of attention, for so many tokens."""
    model.reshape({model_input.get_any_name(): [pairs, tokens] for model_input in model.inputs})
    products = attention = 0
    for operation in model.get_ordered_ops():
        if operation.get_type_name() == "MatMul":
            products += 2 * operation.get_input_shape(0)[-1] * prod(operation.get_output_shape(0))
        if operation.get_type_name() == "ScaledDotProductAttention":
            keys = operation.get_input_shape(1)[2]
            attention += 4 * keys * prod(operation.get_input_shape(0))
    return products, attention


def test_the_formula_counts_what_the_shipped_model_computes() -> None:
    """But for the head, which is two products of one token; only that one goes through the whole of the last layer."""
    pairs, tokens = 3, 40
    model = openvino.Core().read_model(STARTER / "openvino" / "int8.xml")
    products, attention = flops_of_model(model, pairs, tokens)
    head = 2 * pairs * (SHAPE["hidden_size"] ** 2 + SHAPE["hidden_size"])
    lengths = [tokens] * pairs
    assert product_flops(SHAPE, lengths, first_token_only=True) == products - head
    assert encoder_flops(SHAPE, lengths, first_token_only=True) == products - head + attention


@pytest.mark.parametrize(
    ("node_type", "name", "kind"),
    [
        ("FullyConnectedCompressed", "layer.0.query/aten::linear/Add", Kind.MATRIX_PRODUCTS),
        ("Subgraph", "self/aten::scaled_dot_product_attention/ScaledDotProductAttention", Kind.ATTENTION),
        ("MatMul", "self/aten::matmul", Kind.ATTENTION),
        ("Subgraph", "aten::gelu", Kind.ELEMENTWISE),
        ("MVN", "LayerNorm/aten::layer_norm/MVN", Kind.ELEMENTWISE),
        ("Transpose", "Transpose_7501", Kind.MOVEMENT),
        ("GatherCompressed", "embeddings/Gather", Kind.EMBEDDINGS),
        ("Range", "aten::arange", Kind.OTHER),
    ],
)
def test_an_operation_counts_as(node_type: str, name: str, kind: Kind) -> None:
    """By the plugin's type of it, and the name that the model's author gave it."""
    assert Operation(name, node_type, "jit").kind is kind


def test_shares_add_up_to_one() -> None:
    """The largest first."""
    seconds = {
        Operation("a", "MVN", ""): 1.0,
        Operation("b", "FullyConnected", ""): 2.0,
        Operation("c", "FullyConnected", ""): 4.0,
        Operation("d", "Add", ""): 1.0,
    }
    assert by_kind(seconds) == {"matrix products": 0.75, "norms, elementwise": 0.25}
    assert list(by_kind(seconds)) == ["matrix products", "norms, elementwise"]


def test_an_engine_that_is_watched_tells_its_time() -> None:
    """And scores as one that is not; nothing is watched afterwards."""
    options = EngineOptions(str(STARTER))
    with counting() as counted:
        watched = load_engine(options)
    unwatched = load_engine(options)
    pairs = watched.encode([Pair("what do owls eat", "Owls hunt mice at night.")])
    assert watched.forward(pairs) == pytest.approx(unwatched.forward(pairs))
    assert len(counted.models) == watched.info.streams
    seconds = counted.seconds(passes=1)
    assert by_kind(seconds)["matrix products"] > 0
    assert sum(by_kind(seconds).values()) == pytest.approx(1)


@pytest.mark.parametrize("arithmetic", Arithmetic)
def test_every_product_is_found_among_the_operations(arithmetic: Arithmetic) -> None:
    """Whatever OpenVINO makes of it on this CPU."""
    properties = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "128"}
    flops, kernel = peak_flops(Product(256, 256, 256), arithmetic, properties)
    assert flops > 0
    assert kernel


def test_the_peak_is_that_of_the_best_product() -> None:
    """With all threads."""
    peaks = [
        {"arithmetic": "f32", "flops_per_s": {"one_thread": 9.0, "all_threads": flops}} for flops in (2.0, 3.0, 1.0)
    ]
    assert best_peaks({"peaks": peaks}) == {"f32": 3.0}
