"""How many tokens a model has positions for, told from the rows that it reads: families count from 0, 1, 2 or more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bentorank.types import EncodedPair


def positions_of(score: Callable[[EncodedPair], object], pairs: Sequence[EncodedPair]) -> int | None:
    """The longest pair that every table of positions has rows for; None without a table, as with rotary positions.

    `score` runs the model on one pair. A table of positions is one whose last row read is as many rows further as a
    pair is longer.
    """
    passes = [(pair.length, _last_rows(score, pair)) for pair in pairs]
    if len({length for length, _ in passes}) == 1:
        return None
    windows = []
    for table, (rows, _) in passes[0][1].items():
        starts = {read[table][1] - length if table in read else None for length, read in passes}
        if len(starts) == 1:
            windows.append(rows - 1 - (starts.pop() or 0))
    return min(windows, default=None)


def _last_rows(score: Callable[[EncodedPair], object], pair: EncodedPair) -> dict[int, tuple[int, int]]:
    lookups = _Lookups()
    with lookups:
        score(pair)
    return lookups.read


class _Lookups(TorchFunctionMode):
    """Notes by table how many rows it has, and the last that is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: dict[int, tuple[int, int]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        if func is torch.nn.functional.embedding:
            ids, table = args[:2]
            last = max(int(ids.max()), self.read.get(id(table), (0, 0))[1])
            self.read[id(table)] = len(table), last
        return func(*args, **(kwargs or {}))
