"""How much of the frozen start is in the teacher, and what it says of a list."""

from dataclasses import dataclass
from itertools import starmap

import numpy as np
from distilling.bert import Cast
from distilling.candidates import LABELLED, ndcg, z
from distilling.clock import say
from distilling.exam import Exam
from torch import Tensor

START_SHARES = (0.0, 0.25, 0.4, 0.5, 0.6, 0.75, 1.0)


@dataclass(slots=True)
class Teacher:
    """How much of the frozen start each kind's teacher has, and how far its logits spread over a hundred."""

    start: Cast
    shares: dict[str, float]
    scale: float


def settle_teacher(exam: Exam, start: Cast, logits: dict[str, Tensor]) -> Teacher:
    """On held-out training questions that the start did not read: no kind gets a teacher below the start."""
    best = {}
    for name, _, _, label, score in exam.lists:
        row = {
            share: float(ndcg(share * z(logits[name]) + (1 - share) * score, label).mean()) for share in START_SHARES
        }
        say(
            f"teacher of {name} ({len(label)}) by share of the start:",
            ", ".join(starmap("{} {:.4f}".format, row.items())),
        )
        best[name] = max(START_SHARES, key=lambda share, row=row: (round(row[share], 4), -share))
    known = {name: best.get(name, 0.5) for name in LABELLED}
    mean = float(np.mean(list(known.values())))
    shares = (
        known
        | {"exercise": known["squad"], "typed": min(known["qed"], 0.5)}
        | dict.fromkeys(("title", "keywords", "sentence"), min(mean, 0.5))
    )
    scale = float(np.clip(np.mean([float(found.std(1).mean()) for found in logits.values()]), 1.0, 4.0))
    say("shares of the start", shares, f"spread of its logits {scale:.3f}")
    return Teacher(start, shares, scale)


def target_of(score: Tensor, start: Tensor, share: Tensor, scale: float) -> Tensor:
    """The teacher's logits of each list: the start's, brought to the same mean and spread, mixed with the encoders'."""
    spread = score.std(1, keepdim=True)
    own = (start - start.mean(1, keepdim=True)) / start.std(1, keepdim=True).clamp(min=1e-3) * spread + score.mean(
        1, keepdim=True
    )
    return (share[:, None] * own + (1 - share[:, None]) * score) * scale
