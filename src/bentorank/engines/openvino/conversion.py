"""Converts a checkpoint to an OpenVINO model (IR), and its weights to int8 with NNCF.

ir_store runs it as a process, since it imports torch; the order comes as JSON on stdin.
"""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bentorank.child_process import end_with_parent
from bentorank.engines.checkpoint import Checkpoint, open_checkpoint
from bentorank.engines.collation import pad
from bentorank.engines.openvino.first_token import keep_first_token
from bentorank.engines.openvino.prompt_files import write_prompt
from bentorank.engines.openvino.quantization import with_int8_weights
from bentorank.engines.openvino.shared_beginning import SharedBatch, pad_rests
from bentorank.engines.openvino.telemetry import forbid_telemetry
from bentorank.engines.options import ModelHints
from bentorank.engines.self_check import F32_TOLERANCE
from bentorank.engines.warm_up import probe_pairs
from bentorank.errors import ConfigurationError
from bentorank.types import Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from bentorank.engines.collation import PaddedBatch
    from bentorank.types import EncodedPair

# BSD's EX_CONFIG: the model itself is at fault, and the last line on stderr says how.
EXIT_MODEL_REFUSED = 78


@dataclass(frozen=True, slots=True)
class ConvertedModel:
    """An `openvino.Model` in f32, the tokenizer as JSON, and so the prompts of a model that has them."""

    model: Any
    tokenizer_json: str
    prompt_json: str | None = None


def convert(checkpoint: Checkpoint, target: Path, *, quantize: bool) -> None:
    """Write model.xml, model.bin and tokenizer.json into `target`, and prompt.json for a model that reads prompts.

    The IR keeps f32 weights, whatever it will be computed in, or int8 ones with `quantize`.
    """
    converted = convert_to_f32(checkpoint)
    model = with_int8_weights(converted.model) if quantize else converted.model
    import openvino  # noqa: PLC0415 - only after telemetry is forbidden

    openvino.save_model(model, target / "model.xml", compress_to_fp16=False)
    (target / "tokenizer.json").write_text(converted.tokenizer_json, encoding="utf-8")
    if converted.prompt_json is not None:
        (target / "prompt.json").write_text(converted.prompt_json, encoding="utf-8")


def convert_to_f32(checkpoint: Checkpoint) -> ConvertedModel:
    """Trace the checkpoint's torch module."""
    forbid_telemetry()
    import torch  # noqa: PLC0415 - heavy

    from bentorank.engines.openvino.last_token import last_token_logits  # noqa: PLC0415
    from bentorank.engines.torch.engine import (  # noqa: PLC0415
        encoder_of,
        load_cross_encoder,
        prompt_for,
        reference_forward,
        transformers_module,
    )
    from bentorank.engines.torch.reading_check import check_reading, score  # noqa: PLC0415

    # Padding outside a sliding window attends to nothing at all: OpenVINO's fused attention then gives NaN,
    # where the eager one masks with a large finite number.
    attention = "eager" if checkpoint.has_sliding_window else None
    cross_encoder = load_cross_encoder(checkpoint, device="cpu", dtype=torch.float32, attention=attention)
    module = transformers_module(cross_encoder)
    prompt = prompt_for(cross_encoder, checkpoint)
    prompt_json = None if prompt is None else write_prompt(prompt, checkpoint)
    encoder = encoder_of(cross_encoder, checkpoint, fast=False)
    forward = reference_forward(cross_encoder, checkpoint)
    check_reading(cross_encoder, forward, encoder, checkpoint)
    probes = probe_pairs(encoder)
    # Before anything is changed in the module, and each alone: without padding, which costs a large model minutes.
    expected = torch.cat([score(forward, checkpoint, [pair]) for pair in probes])
    # Two pairs of unequal length, so that tracing meets padding and bakes in neither size.
    pairs = encoder.encode([Pair("a question", "an answer"), Pair("a question", "b")])
    on_last_token = None
    if pairs[0].token_type_ids is None:
        on_last_token = last_token_logits(module, checkpoint, probes, expected)
    collate = pad if on_last_token is None else pad_rests
    if on_last_token is None and checkpoint.answer is not None:
        raise cannot_convert(checkpoint.name, "its tokens see those after them, or its head reads more than the last")
    model = _traced(checkpoint.name, on_last_token or module, collate(pairs, checkpoint.pad_token_id))
    if on_last_token is None:
        keep_first_token(model)
    _keep_one_score(model, checkpoint)
    _check_model(model, checkpoint, collate, probes, expected)
    return ConvertedModel(model, cross_encoder.tokenizer.backend_tokenizer.to_str(), prompt_json)


def _traced(name: str, module: torch.nn.Module, example: PaddedBatch | SharedBatch) -> Any:  # noqa: ANN401 - openvino is untyped
    import torch  # noqa: PLC0415 - heavy
    from openvino.tools.ovc import convert_model  # noqa: PLC0415 - only after telemetry is forbidden

    tensors = {argument: torch.from_numpy(array) for argument, array in example.as_inputs().items()}
    try:
        model = convert_model(module, example_input=tensors)
    except Exception as error:
        raise cannot_convert(name, _last_line(error)) from error
    _check_inputs(name, model, list(tensors))
    return model


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


def _keep_one_score(model: Any, checkpoint: Checkpoint) -> None:  # noqa: ANN401 - openvino is untyped
    """Let `model` give the difference of two logits, where it gives two, in place."""
    from openvino import opset13  # noqa: PLC0415 - only after telemetry is forbidden

    result = model.get_results()[0]
    logits = result.input_value(0)
    if logits.get_partial_shape()[1] == 1:
        return
    # A causal model gives the true answer's first, a classifier that of relevance second.
    relevant, other = (1, 0) if checkpoint.answer is None else (0, 1)
    columns = [opset13.gather(logits, [column], 1) for column in (relevant, other)]
    result.input(0).replace_source_output(opset13.subtract(*columns).output(0))
    model.validate_nodes_and_infer_types()


def _check_model(
    model: Any,  # noqa: ANN401 - openvino is untyped
    checkpoint: Checkpoint,
    collate: Callable[[Sequence[EncodedPair], int], PaddedBatch | SharedBatch],
    probes: Sequence[EncodedPair],
    expected: torch.Tensor,
) -> None:
    """Tracing may have fixed a size, or taken one of two branches, that holds for the example alone."""
    import openvino  # noqa: PLC0415 - only after telemetry is forbidden

    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    longest = max(range(len(probes)), key=lambda place: probes[place].length)
    for places in ([0], [longest], list(range(len(probes)))):
        batch = collate([probes[place] for place in places], checkpoint.pad_token_id)
        _check_scores(compiled, checkpoint.name, batch, expected[places].numpy())


def _check_scores(
    compiled: Any,  # noqa: ANN401 - openvino is untyped
    name: str,
    batch: PaddedBatch | SharedBatch,
    expected: NDArray[np.float32],
) -> None:
    import numpy as np  # noqa: PLC0415

    if not np.isfinite(expected).all():
        return  # the loaded engine's own check says what is wrong with such a model
    try:
        logits = compiled(batch.as_inputs())[0][:, 0]
    except Exception as error:
        raise cannot_convert(name, _last_line(error)) from error
    difference = float(np.abs(logits - expected).max())
    if not difference <= F32_TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise cannot_convert(name, f"what it made of it scores {difference:.2g} higher or lower")


def main() -> None:
    """Carry out the order on stdin."""
    end_with_parent()
    # Sent to all of a service's processes, it would look like a model that cannot be converted.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    order = json.load(sys.stdin)
    try:
        checkpoint = open_checkpoint(
            order["folder"], max_tokens=order["max_tokens"], hints=ModelHints(**order["hints"])
        )
        convert(checkpoint, Path(order["target"]), quantize=order["quantize"])
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201 - to the process that gave the order
        sys.exit(EXIT_MODEL_REFUSED)


if __name__ == "__main__":
    main()
