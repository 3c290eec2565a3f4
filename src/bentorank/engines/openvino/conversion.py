"""Converts a checkpoint to an OpenVINO model (IR), and its weights to int8 with NNCF.

ir_store runs it as a process, since it imports torch; the order comes as JSON on stdin.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bentorank.engines.checkpoint import Checkpoint, open_checkpoint
from bentorank.engines.collation import pad
from bentorank.engines.openvino.first_token import keep_first_token
from bentorank.engines.openvino.quantization import with_int8_weights
from bentorank.engines.openvino.telemetry import forbid_telemetry
from bentorank.errors import ConfigurationError
from bentorank.types import Pair

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

    # Padding outside a sliding window attends to nothing at all: OpenVINO's fused attention then gives NaN,
    # where the eager one masks with a large finite number.
    attention = "eager" if checkpoint.has_sliding_window else None
    cross_encoder = load_cross_encoder(checkpoint, device="cpu", dtype=torch.float32, attention=attention)
    encoder = encoder_of(cross_encoder, checkpoint)
    # Two pairs of unequal length, so that tracing meets padding and bakes in neither size.
    example = pad(encoder.encode([Pair("a question", "an answer"), Pair("b", "c")]), checkpoint.pad_token_id)
    tensors = {name: torch.from_numpy(array) for name, array in example.as_inputs().items()}
    model = openvino.convert_model(transformers_module(cross_encoder), example_input=tensors)
    _check_inputs(model, list(tensors))
    keep_first_token(model)
    return ConvertedModel(model, cross_encoder.tokenizer.backend_tokenizer.to_str())


def _check_inputs(model: Any, names: list[str]) -> None:  # noqa: ANN401 - openvino is untyped
    """OpenVINO names inputs after the module's arguments, which a family may call otherwise."""
    found = {name for model_input in model.inputs for name in model_input.names}
    assert set(names) <= found, f"bug: the converted model has inputs {sorted(found)}, not {names}"


def main() -> None:
    """Carry out the order on stdin."""
    order = json.load(sys.stdin)
    checkpoint = open_checkpoint(order["folder"], max_tokens=order["max_tokens"])
    try:
        convert(checkpoint, Path(order["target"]), quantize=order["quantize"])
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201 - to the process that gave the order
        sys.exit(EXIT_MODEL_REFUSED)


if __name__ == "__main__":
    main()
