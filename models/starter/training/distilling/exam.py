"""What the student is asked."""

import numpy as np
import torch
from distilling.bert import Cast, read_logits
from distilling.candidates import LABELLED, Work, ndcg
from distilling.kernels import Kernels
from torch import Tensor


class Exam:
    """Held-out training questions, by which choices are made, and the test sets, which are only read."""

    def __init__(self, work: Work, kernels: Kernels, count: int) -> None:
        self.work, self.kernels = work, kernels
        self.lists = []
        for shelf in work.shelves:
            if shelf.whole:
                held = work.held[shelf.queries]
                for kind in LABELLED:
                    for level, name in ((1, kind), (2, f"{kind}-seen")):
                        own = torch.from_numpy(work.kinds[shelf.queries.cpu().numpy()] == kind).to(work.device)
                        rows = torch.nonzero((held == level) & shelf.label.any(1) & own)[:count, 0]
                        if len(rows):
                            self.lists.append(
                                (name, shelf.queries[rows], shelf.units[rows], shelf.label[rows], shelf.score[rows])
                            )

    def logits(self, weights: Cast) -> dict[str, Tensor]:
        found = {}
        for name, queries, units, _, _ in self.lists:
            flat = queries[:, None].expand_as(units).flatten()
            found[name] = read_logits(self.kernels, weights, self.work.pairs, flat, units.flatten(), limit=512).view_as(
                units
            )
        return found

    def gains(self, logits: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: ndcg(logits[name], label) for name, _, _, label, _ in self.lists}

    def entropy(self, logits: dict[str, Tensor]) -> float:
        """Cross-entropy to the best label, the mean of the kinds."""
        return float(
            np.mean(
                [
                    float(-torch.log_softmax(logits[name], 1).masked_fill(~label, -1e9).amax(1).mean())
                    for name, _, _, label, _ in self.lists
                ]
            )
        )

    def tests(self, weights: Cast) -> dict[str, np.ndarray]:
        """nDCG@10 of each query of each collection, gains as graded."""
        found = {}
        device = self.work.device
        for name, (pairs, rows) in self.work.tests.items():
            queries = torch.tensor([number for number, row in enumerate(rows) for _ in row[1]], device=device)
            units = torch.tensor([unit for row in rows for unit in row[1]], device=device)
            scores = read_logits(self.kernels, weights, pairs, queries, units, limit=512).float().cpu().numpy()
            gains, at = [], 0
            discount = 1 / np.log2(np.arange(2, 12))
            for _, candidates, judged, ideal in rows:
                order = np.argsort(-scores[at : at + len(candidates)], kind="stable")[:10]
                best = np.array([max(0, gain) for gain in ideal][:10])
                gains.append(
                    float(
                        (np.array(judged)[order] * discount[: len(order)]).sum() / (best * discount[: len(best)]).sum()
                    )
                )
                at += len(candidates)
            found[name] = np.array(gains)
        return found
