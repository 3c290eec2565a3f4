"""Build the int8 OpenVINO form of the shipped model as bentorank would, calibrated on training pairs.

Matrix products run in int8; the embedding tables are stored in int8 too, which is what makes the file small.
"""

import argparse
import random
from pathlib import Path

import numpy as np
import openvino
from rich.console import Console
from teacher import read_rows

from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.openvino_conversion import convert_to_f32, quantize_to_int8
from bentorank.types import Pair


def calibration_pairs(work_dir: Path, count: int, seed: int) -> list[Pair]:
    """Training queries with a candidate each, half of them short windows and half whole documents."""
    queries, units = read_rows(work_dir / "queries.jsonl"), read_rows(work_dir / "passages.jsonl")
    rng = random.Random(seed)
    pairs = []
    for name in ("windows", "whole"):
        lists = np.load(work_dir / f"lists-{name}.npz")
        rows = rng.sample(range(len(lists["query"])), count // 2)
        chosen = [(lists["query"][row], rng.choice(lists["units"][row])) for row in rows]
        pairs += [Pair(queries[query]["text"], units[unit]["text"]) for query, unit in chosen]
    return pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="the shipped model's folder; openvino/int8.xml is written inside it")
    parser.add_argument("--work-dir", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    checkpoint = open_checkpoint(str(args.model))
    pairs = calibration_pairs(args.work_dir, args.pairs, args.seed)
    quantized = quantize_to_int8(convert_to_f32(checkpoint), checkpoint, pairs)
    path = args.model / "openvino" / "int8.xml"
    path.parent.mkdir(exist_ok=True)
    openvino.save_model(quantized, path)
    Console().print(f"{path}: {path.with_suffix('.bin').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
