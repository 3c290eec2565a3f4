"""Average the weights of checkpoints of one line of training: their mistakes differ, what they learned does not."""

import argparse
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    models = [
        AutoModelForSequenceClassification.from_pretrained(path, dtype=torch.float32) for path in args.checkpoints
    ]
    states = [model.state_dict() for model in models]
    averaged = {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}
    models[-1].load_state_dict(averaged)
    models[-1].save_pretrained(args.output)
    AutoTokenizer.from_pretrained(args.checkpoints[-1]).save_pretrained(args.output)


if __name__ == "__main__":
    main()
