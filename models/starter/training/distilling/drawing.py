"""Draws many lists at once, on the device."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from distilling.candidates import CANDIDATES, LABELLED, Shelf, Work
from distilling.clock import say
from distilling.teacher import Teacher
from torch import Tensor

LIST_SIZE = 14
# How often each kind comes; what people typed or searched for is the most precious.
SHARES = {"qed": 0.17, "squad": 0.19, "typed": 0.22, "claim": 0.05, "definition": 0.06, "exercise": 0.06,
          "title": 0.09, "keywords": 0.10, "sentence": 0.06}  # fmt: skip


@dataclass(slots=True)
class Lists:
    """Drawn lists: the answer first, where there is one."""

    queries: Tensor
    units: Tensor
    score: Tensor
    label: Tensor
    share: Tensor


class Draw:
    """Many lists at once, drawn on the device: the answer, hard passages, and any of BM25's hundred."""

    def __init__(self, work: Work, teacher: Teacher, seed: int) -> None:
        self.work, self.device, self.teacher = work, work.device, teacher
        self.random = np.random.default_rng(seed)
        self.pools: list[tuple[Shelf, str, Tensor]] = []
        for shelf in work.shelves:
            rows_of = shelf.queries.cpu().numpy()
            free = (work.held[shelf.queries] == 0).cpu().numpy()
            usable = (shelf.parts[..., 4] > 0).sum(1).cpu().numpy() >= 0.4 * CANDIDATES
            labelled = shelf.label.any(1).cpu().numpy()
            for kind in SHARES:
                # A question whose answer BM25 did not find has no label, only a teacher.
                rows = np.flatnonzero(
                    (work.kinds[rows_of] == kind) & free & usable & (labelled | (kind not in LABELLED))
                )
                if len(rows) >= 4:
                    self.pools.append((shelf, kind, torch.from_numpy(rows).to(self.device)))
        say("pools", [(kind, "whole" if shelf.whole else "windows", len(rows)) for shelf, kind, rows in self.pools])

    def take(self, count: int, whole: float) -> Lists:
        """`count` lists in random order, the share `whole` of them of whole passages."""
        together = Counter()
        for shelf, kind, rows in self.pools:
            together[kind, shelf.whole] += len(rows)
        shares = np.array(
            [
                SHARES[kind] * (whole if shelf.whole else 1 - whole) * len(rows) / together[kind, shelf.whole]
                for shelf, kind, rows in self.pools
            ]
        )
        parts = []
        for (shelf, kind, rows), many in zip(
            self.pools, self.random.multinomial(count, shares / shares.sum()), strict=True
        ):
            if many:
                parts.append(
                    self.lists(
                        shelf,
                        rows[torch.randint(len(rows), (int(many),), device=self.device)],
                        self.teacher.shares[kind],
                    )
                )
        order = torch.randperm(count, device=self.device)
        return Lists(*(torch.cat(columns)[order] for columns in zip(*parts, strict=True)))

    def lists(self, shelf: Shelf, rows: Tensor, share: float) -> tuple[Tensor, ...]:
        score, label = shelf.score[rows], shelf.label[rows]
        rank = torch.argsort(torch.argsort(score, dim=1, descending=True), dim=1)
        labelled = label.any(1)
        best = torch.where(label, score, -1e4).argmax(1)
        top = torch.argsort(score, dim=1, descending=True)[
            torch.arange(len(rows), device=self.device), torch.randint(3, (len(rows),), device=self.device)
        ]
        first = torch.where(labelled, best, top)
        key = torch.rand_like(score)
        key = (
            key
            + 2.0 * ((rank < 20) & (torch.rand_like(score) < 0.3))
            + 1.0 * ((torch.arange(CANDIDATES, device=self.device) < 12) & (torch.rand_like(score) < 0.25))
        )
        key = key.masked_fill(label, -1.0)  # another answer is never called a negative
        key.scatter_(1, first[:, None], 9.0)
        chosen = key.topk(LIST_SIZE, dim=1).indices
        return (
            shelf.queries[rows],
            shelf.units[rows].gather(1, chosen),
            score.gather(1, chosen),
            labelled.float(),
            torch.full_like(labelled, share, dtype=torch.float),
        )
