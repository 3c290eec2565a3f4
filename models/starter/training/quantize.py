"""Build the int8 OpenVINO form of the shipped model, as bentorank would: int8 weights, a scale for each row."""

import argparse
from pathlib import Path

import openvino
from rich.console import Console

from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.openvino_conversion import convert_to_f32, with_int8_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the shipped model's folder; openvino/int8.xml is written inside it")
    args = parser.parse_args()
    rounded = with_int8_weights(convert_to_f32(open_checkpoint(str(args.model))).model)
    path = args.model / "openvino" / "int8.xml"
    path.parent.mkdir(exist_ok=True)
    openvino.save_model(rounded, path)
    Console().print(f"{path}: {path.with_suffix('.bin').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
