"""Build the int8 OpenVINO form of the shipped model, as `bentorank export` would, on bentorank's built-in texts."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import openvino
from rich.console import Console

from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.openvino.ir_store import stored_model
from bentorank.engines.options import Precision
from bentorank.evaluation.built_in import built_in_task
from bentorank.exporting.calibration import split
from bentorank.exporting.rounding import Activations, rounded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the shipped model's folder; openvino/int8.xml is written inside it")
    args = parser.parse_args()
    checkpoint = open_checkpoint(str(args.model))
    pairs, _ = split(built_in_task())
    with TemporaryDirectory() as cache:
        converted = stored_model(checkpoint, Precision.F32, Path(cache))
        int8 = rounded(checkpoint, converted, Activations.CALIBRATED, pairs)
        path = args.model / "openvino" / "int8.xml"
        path.parent.mkdir(exist_ok=True)
        openvino.save_model(int8, path)
    Console().print(f"{path}: {path.with_suffix('.bin').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
