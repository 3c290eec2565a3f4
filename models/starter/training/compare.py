"""Compare checkpoints on held-out lists of training questions: what is shipped is decided here, never on a test set."""

from __future__ import annotations

import argparse
from pathlib import Path

from export import fit_scale_and_shift, held_out_logits
from rich.console import Console
from rich.table import Table
from torch.nn import functional


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--pack", type=Path, required=True)
    args = parser.parse_args()
    table = Table("checkpoint", "cross-entropy of lists", "of calibrated pairs", "reciprocal rank")
    for checkpoint in args.checkpoints:
        logits, labels = held_out_logits(checkpoint, args.pack)
        scale, shift = fit_scale_and_shift(logits.clone(), labels.clone())
        calibrated = logits * scale + shift
        lists = calibrated.view(-1, int(labels.numel() / labels.sum()))
        of_lists = -functional.log_softmax(lists, dim=1)[:, 0].mean()
        of_pairs = functional.binary_cross_entropy_with_logits(calibrated, labels)
        ranks = 1 + (lists[:, 1:] >= lists[:, :1]).sum(1)
        table.add_row(str(checkpoint), f"{of_lists:.3f}", f"{of_pairs:.4f}", f"{(1 / ranks).mean():.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
