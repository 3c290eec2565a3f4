"""Build the int8 OpenVINO form of the shipped model: int8 weights, and scales for activations from real pairs."""

import argparse
from pathlib import Path

import openvino
from rich.console import Console

from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.collation import pad
from bentorank.engines.encoding import PairEncoder
from bentorank.engines.openvino_conversion import convert_to_f32
from bentorank.engines.openvino_quantization import with_int8_activations
from bentorank.evaluation.built_in import built_in_task
from bentorank.types import Pair


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the shipped model's folder; openvino/int8.xml is written inside it")
    args = parser.parse_args()
    checkpoint = open_checkpoint(str(args.model))
    converted = convert_to_f32(checkpoint)
    encoder = PairEncoder(
        converted.tokenizer_json, max_tokens=checkpoint.max_tokens, token_types=True, prompt=checkpoint.prompt
    )
    # The other half is left for `bentorank export`, which measures agreement on it.
    lists = built_in_task().lists[::2]
    pairs = encoder.encode([Pair(listed.query, passage) for listed in lists for passage in listed.passages])
    examples = [pad([pair], checkpoint.pad_token_id).as_inputs() for pair in pairs]
    rounded = with_int8_activations(converted.model, examples)
    path = args.model / "openvino" / "int8.xml"
    path.parent.mkdir(exist_ok=True)
    openvino.save_model(rounded, path)
    Console().print(f"{path}: {path.with_suffix('.bin').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
