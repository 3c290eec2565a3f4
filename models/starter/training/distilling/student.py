"""The weights that learn, and their average."""

import argparse
import re
from pathlib import Path

import numpy as np
import torch
from distilling.bert import Cast, Weights, cast
from distilling.candidates import Work
from distilling.clock import say
from distilling.kernels import Kernels
from torch import Tensor


class Student:
    def __init__(self, work: Work, args: argparse.Namespace, kernels: Kernels) -> None:
        self.kernels = kernels
        self.weights = {
            name: value.to(work.device).float() for name, value in work.start.items() if "position_ids" not in name
        }
        self.frozen = {
            name: value.to(kernels.train_dtype)
            for name, value in self.weights.items()
            if "word_emb" in name or "position_emb" in name
        }
        self.free = {name: value for name, value in self.weights.items() if name not in self.frozen}
        self.began = {name: value.clone() for name, value in self.free.items()}
        self.averaged = {name: value.clone() for name, value in self.free.items()}
        groups: dict[str, list[Tensor]] = {"head": [], "decayed": [], "plain": []}
        for name, value in self.free.items():
            value.requires_grad_()
            groups[
                "head" if name.startswith(("classifier", "pooler")) else "decayed" if value.ndim > 1 else "plain"
            ].append(value)
        self.optimizer = torch.optim.AdamW(
            [
                {"params": groups["head"], "scale": 2.0, "weight_decay": 0.0},
                {"params": groups["decayed"], "scale": 1.0, "weight_decay": 0.01},
                {"params": groups["plain"], "scale": 1.0, "weight_decay": 0.0},
            ],
            lr=args.rate, betas=(0.9, 0.98), eps=1e-6, fused=work.device != "cpu",
        )  # fmt: skip

    def training(self) -> Cast:
        return cast(self.free | self.frozen, self.kernels.train_dtype)

    @torch.no_grad()
    def reading(self, source: Weights, share: float) -> Cast:
        """Weights that lie between where it began and `source`."""
        mixed = {name: torch.lerp(self.began[name], value.detach(), share) for name, value in source.items()}
        return cast({name: value.detach() for name, value in self.weights.items()} | mixed, self.kernels.read_dtype)

    def average(self, step: int) -> None:
        with torch.no_grad():
            weight = 1 - min(0.998, step / (step + 10))
            torch._foreach_lerp_(list(self.averaged.values()), [value.detach() for value in self.free.values()], weight)

    @staticmethod
    def save(source: Weights, output: Path, name: str) -> None:
        """Half precision without the frozen vectors, in two files of less than 15 MiB; numpy reads them."""
        state = {key: value.detach().half().cpu().numpy() for key, value in source.items()}
        later = {key for key in state if re.match(r"encoder\.layer\.[345]", key)}
        for part, keys in (("a", state.keys() - later), ("b", later)):
            np.savez(output / f"{name}-{part}.npz", **{key: state[key] for key in sorted(keys)})
        say("saved", name)
