"""Converts a checkpoint to an OpenVINO model (IR), and its weights to int8 with NNCF.

ir_store runs it as a process, since it imports torch; the order comes as JSON on stdin.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bentorank.engines.checkpoint import Checkpoint, open_checkpoint
from bentorank.engines.collation import pad
from bentorank.engines.openvino.first_token import keep_first_token
from bentorank.engines.openvino.quantization import with_int8_weights
from bentorank.engines.openvino.telemetry import forbid_telemetry
from bentorank.engines.self_check import F32_TOLERANCE
from bentorank.engines.warm_up import probe_pairs
from bentorank.errors import ConfigurationError
from bentorank.types import Pair

if TYPE_CHECKING:
    from bentorank.types import EncodedPair

# BSD's EX_CONFIG: the model itself is at fault, and the last line on stderr says how.
EXIT_MODEL_REFUSED = 78


@dataclass(frozen=True, slots=True)
class ConvertedModel:
    """An `openvino.Model` in f32, and the tokenizer as JSON."""

    model: Any
    tokenizer_json: str


def convert(checkpoint: Checkpoint, target: Path, *, quantize: bool) -> None:
    """Write model.xml, model.bin and tokenizer.json into `target`.

    The IR keeps f32 weights, whatever it will be computed in, or int8 ones with `quantize`.
    """
    converted = convert_to_f32(checkpoint)
    model = with_int8_weights(converted.model) if quantize else converted.model
    import openvino  # noqa: PLC0415 - only after telemetry is forbidden

    openvino.save_model(model, target / "model.xml", compress_to_fp16=False)
    (target / "tokenizer.json").write_text(converted.tokenizer_json, encoding="utf-8")


def convert_to_f32(checkpoint: Checkpoint) -> ConvertedModel:
    """Trace the checkpoint's torch module."""
    forbid_telemetry()
    import openvino  # noqa: PLC0415 - only after telemetry is forbidden
    import torch  # noqa: PLC0415 - heavy, and this function's alone

    from bentorank.engines.torch.engine import encoder_of, load_cross_encoder, transformers_module  # noqa: PLC0415
    from bentorank.engines.torch.padding import PaddedForward  # noqa: PLC0415
    from bentorank.engines.torch.reading_check import check_reading  # noqa: PLC0415

    # Padding outside a sliding window attends to nothing at all: OpenVINO's fused attention then gives NaN,
    # where the eager one masks with a large finite number.
    attention = "eager" if checkpoint.has_sliding_window else None
    cross_encoder = load_cross_encoder(checkpoint, device="cpu", dtype=torch.float32, attention=attention)
    module = transformers_module(cross_encoder)
    encoder = encoder_of(cross_encoder, checkpoint, fast=False)
    forward = PaddedForward(module, checkpoint.pad_token_id)
    check_reading(cross_encoder, forward, encoder, checkpoint)
    # Two pairs of unequal length, so that tracing meets padding and bakes in neither size.
    example = pad(encoder.encode([Pair("a question", "an answer"), Pair("b", "c")]), checkpoint.pad_token_id)
    tensors = {name: torch.from_numpy(array) for name, array in example.as_inputs().items()}
    try:
        model = openvino.convert_model(module, example_input=tensors)
    except Exception as error:
        raise cannot_convert(checkpoint.name, _last_line(error)) from error
    _check_inputs(checkpoint.name, model, list(tensors))
    keep_first_token(model)
    _check_scores(model, forward, checkpoint, probe_pairs(encoder))
    return ConvertedModel(model, cross_encoder.tokenizer.backend_tokenizer.to_str())


def cannot_convert(name: str, reason: str) -> ConfigurationError:
    """What is said of a model that OpenVINO has no way to run as torch does."""
    return ConfigurationError(f"OpenVINO cannot convert {name}, try the torch engine: {reason}")


def _last_line(error: Exception) -> str:
    """OpenVINO's messages tell of each layer that an error passed, and end with the operation at fault."""
    lines = [line.strip(" -\t") for line in str(error).splitlines() if line.strip(" -\t")]
    return lines[-1] if lines else type(error).__name__


def _check_inputs(name: str, model: Any, names: list[str]) -> None:  # noqa: ANN401 - openvino is untyped
    """OpenVINO names inputs after the module's arguments, and drops those that nothing reads."""
    found = {name for model_input in model.inputs for name in model_input.names}
    if lost := [wanted for wanted in names if wanted not in found]:
        raise cannot_convert(name, f"the converted model does not take {' and '.join(lost)}")


def _check_scores(model: Any, forward: Any, checkpoint: Checkpoint, probes: list[EncodedPair]) -> None:  # noqa: ANN401
    """Tracing may have fixed a size, or taken one of two branches, that holds for the example alone."""
    import numpy as np  # noqa: PLC0415
    import openvino  # noqa: PLC0415 - only after telemetry is forbidden

    from bentorank.engines.torch.reading_check import score  # noqa: PLC0415

    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for batch in ([probes[0]], [max(probes, key=lambda pair: pair.length)], probes):
        expected = score(forward, checkpoint, batch).numpy()
        if not np.isfinite(expected).all():
            return  # the loaded engine's own check says what is wrong with such a model
        try:
            logits = compiled(pad(batch, checkpoint.pad_token_id).as_inputs())[0][:, 0]
        except Exception as error:
            raise cannot_convert(checkpoint.name, _last_line(error)) from error
        difference = float(np.abs(logits - expected).max())
        if not difference <= F32_TOLERANCE * max(1.0, float(np.abs(expected).max())):
            raise cannot_convert(checkpoint.name, f"what it made of it scores {difference:.2g} higher or lower")


def main() -> None:
    """Carry out the order on stdin."""
    order = json.load(sys.stdin)
    try:
        checkpoint = open_checkpoint(order["folder"], max_tokens=order["max_tokens"])
        convert(checkpoint, Path(order["target"]), quantize=order["quantize"])
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201 - to the process that gave the order
        sys.exit(EXIT_MODEL_REFUSED)


if __name__ == "__main__":
    main()
