"""An OpenVINO model in int8: its weights, and with calibration what most of its matrices are multiplied with.

Imports NNCF, so only conversion does; a server reads what came out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

# openvino is untyped.
Model: TypeAlias = Any
Operation: TypeAlias = Any

# Between the two matrices of a feed-forward block.
_ACTIVATIONS: Final = frozenset({"Gelu", "HSwish", "Mish", "Relu", "Swish"})
_HEAD_RANK: Final = 2  # (pairs, width): one row a pair, where a layer has one a token
# How much of the outliers of activations is moved into the weights that they meet. Source: Xiao et al., "SmoothQuant:
# Accurate and Efficient Post-Training Quantization for Large Language Models", 2023; .6 to .9 came out alike.
_SMOOTHING: Final = 0.6


def with_int8_weights(model: Model) -> Model:
    """The model with its matrices and tables in int8, a scale for each row.

    How activations are rounded is the engine's choice, when it runs.
    """
    import nncf  # noqa: PLC0415 - optional

    return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)


def with_int8_activations(model: Model, examples: Sequence[dict[str, NDArray[np.int64]]]) -> Model:
    """The model with int8 weights, and with activations rounded to int8 by scales that are fixed beforehand.

    `examples` are inputs of the model, real and of all lengths, that the scales are taken from: their extremes. What
    goes into the second matrix of a feed-forward block is left out, since few outliers there would coarsen all else;
    the engine rounds that as it comes. So is the head, which costs nothing. Everything else may cost accuracy: measure
    agreement before you serve what comes back.
    """
    import nncf  # noqa: PLC0415 - optional
    from nncf.quantization.advanced_parameters import (  # noqa: PLC0415
        AdvancedQuantizationParameters,
        AdvancedSmoothQuantParameters,
    )

    calibrated = nncf.quantize(
        model,
        nncf.Dataset(examples),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(examples),
        # Tables calibrated are kept in f32 once loaded; compressed they stay in int8.
        ignored_scope=nncf.IgnoredScope(names=_sensitive_matrices(model), types=["Gather"], validate=False),
        advanced_parameters=AdvancedQuantizationParameters(
            activations_range_estimator_params=_extremes(),
            smooth_quant_alphas=AdvancedSmoothQuantParameters(matmul=_SMOOTHING),
        ),
    )
    return with_int8_weights(calibrated)


def _extremes() -> Any:  # noqa: ANN401 - nncf is untyped
    """The least and the greatest value of all examples; NNCF's default, a mean over examples, cuts long ones off."""
    from nncf.quantization.range_estimator import (  # noqa: PLC0415 - optional
        AggregatorType,
        RangeEstimatorParameters,
        StatisticsCollectorParameters,
        StatisticsType,
    )

    return RangeEstimatorParameters(
        min=StatisticsCollectorParameters(StatisticsType.MIN, AggregatorType.MIN),
        max=StatisticsCollectorParameters(StatisticsType.MAX, AggregatorType.MAX),
    )


def _sensitive_matrices(model: Model) -> list[str]:
    return [
        operation.get_friendly_name()
        for operation in model.get_ordered_ops()
        if operation.get_type_name() == "MatMul" and (_is_head(operation) or _ends_feed_forward(operation))
    ]


def _is_head(matmul: Operation) -> bool:
    return bool(matmul.output(0).get_partial_shape().rank.get_length() == _HEAD_RANK)


def _ends_feed_forward(matmul: Operation) -> bool:
    source = matmul.input_value(0).get_node()
    return source.get_type_name() in _ACTIVATIONS or _is_gate(source)


def _is_gate(operation: Operation) -> bool:
    """A product of two computed values, as a gated block ends, or GELU written out; a norm's weight is a constant."""
    return operation.get_type_name() == "Multiply" and all(
        value.get_node().get_type_name() not in {"Constant", "Convert"} for value in operation.input_values()
    )
