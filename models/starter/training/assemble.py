"""Put what distil.py trained back beside the frozen vectors: a checkpoint for export.py."""

import argparse
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

MODEL = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", type=Path, nargs="+", help="final-a.npz and final-b.npz")
    parser.add_argument("--start", type=Path, default=MODEL / "model.safetensors", help="whose frozen vectors are kept")
    parser.add_argument("--share", type=float, default=1.0, help="of the new weights; the rest is where they began")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    state = load_file(args.start)
    for part in args.parts:
        for name, value in np.load(part).items():
            full = name if name in state else f"bert.{name}"
            mixed = args.share * value.astype(np.float32) + (1 - args.share) * state[full].astype(np.float32)
            state[full] = mixed.astype(np.float16)
    args.output.mkdir(parents=True, exist_ok=True)
    save_file(state, args.output / "model.safetensors", metadata={"format": "pt"})
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MODEL / name, args.output / name)


if __name__ == "__main__":
    main()
