"""Makes the folder that infinity's fastest engine on a CPU takes: a cross-encoder as ONNX, dynamically quantised.

Runs in infinity's environment: `.venv-peers/infinity/bin/python -m benchmarks.peers.onnx_int8 MODEL FOLDER`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import AutoModelForSequenceClassification, AutoTokenizer

# Infinity prefers a file with `quantize` in its name, and loads it from the folder's root only.
QUANTISED = "model_quantized.onnx"
# Infinity drops token_type_ids, so the model need not take them.
INPUTS = ("input_ids", "attention_mask")


def make_onnx_int8(model: Path, folder: Path) -> None:
    """Export `model`, then round its weights to int8 by channel; activations are rounded as they come."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        whole, made = Path(scratch) / "model.onnx", Path(scratch) / "made"
        AutoTokenizer.from_pretrained(model).save_pretrained(made)
        export(model, whole, made)
        quantize_dynamic(whole, made / QUANTISED, weight_type=QuantType.QInt8, per_channel=True)
        # Whole or not at all: a folder that is there is taken as it is.
        made.rename(folder)


def export(model: Path, file: Path, config_folder: Path) -> None:
    """Write the single-precision graph; batch and length are free."""
    loaded = AutoModelForSequenceClassification.from_pretrained(model, attn_implementation="eager").eval()
    loaded.config.save_pretrained(config_folder)
    example = torch.ones(2, 8, dtype=torch.long)
    torch.onnx.export(
        loaded,
        kwargs=dict.fromkeys(INPUTS, example),
        f=file,
        input_names=list(INPUTS),
        output_names=["logits"],
        dynamic_axes={name: {0: "batch", 1: "length"} for name in INPUTS} | {"logits": {0: "batch"}},
        dynamo=False,  # the fusions of onnxruntime and optimum know the graphs of the older exporter
    )


if __name__ == "__main__":
    make_onnx_int8(Path(sys.argv[1]), Path(sys.argv[2]))
