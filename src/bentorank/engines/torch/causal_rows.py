"""How a batch of a causal model's pairs is laid out in one row, so that what several pairs begin with is there once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from bentorank.types import EncodedPair


@dataclass(frozen=True, slots=True)
class Stretch:
    """Tokens of the row, `length` of them from `start`, that see those before them and all of their head.

    The head is `head_length` keys from `head_start`, counted as in `CausalRow`.
    """

    start: int
    length: int
    head_start: int = 0
    head_length: int = 0


@dataclass(frozen=True, slots=True)
class CausalRow:
    """Heads that are not known yet, each once, and then the rest of each pair: arrays of shape (tokens,).

    Keys are counted from those of the `known` heads, one after the other, on to the row's own, `known_tokens` later.
    `ends` are the last tokens of the pairs in the row, shape (pairs,); `new` are the heads in it, by their ids.
    """

    input_ids: NDArray[np.int64]
    position_ids: NDArray[np.int64]
    stretches: tuple[Stretch, ...]
    ends: NDArray[np.int64]
    known: tuple[bytes, ...]
    known_tokens: int
    new: Mapping[bytes, slice]


def lay_out(batch: Sequence[EncodedPair], known: Mapping[bytes, int]) -> CausalRow:
    """The row of a batch, beside heads whose keys are at hand: the tokens of each `known` one by its ids.

    A pair is cut in the same place whatever it is batched with, so that it is computed in the same way.
    """
    batch = list(batch)  # objects, if they were columns: each is looked at several times
    cuts = [min(pair.head_tokens, pair.length - 1) for pair in batch]
    heads = [pair.input_ids[:cut].tobytes() for pair, cut in zip(batch, cuts, strict=True)]
    distinct = {head: pair.input_ids[:cut] for head, pair, cut in zip(heads, batch, cuts, strict=True) if cut}
    used = tuple(head for head in distinct if head in known)
    places, known_tokens = _places(used, known)

    parts: list[NDArray[np.int64]] = []
    firsts: list[int] = []
    stretches: list[Stretch] = []
    new: dict[bytes, slice] = {}
    tokens = 0
    for head, ids in distinct.items():
        if head not in known:
            parts.append(ids)
            firsts.append(0)
            stretches.append(Stretch(tokens, len(ids)))
            new[head] = slice(tokens, tokens + len(ids))
            places[head] = known_tokens + tokens
            tokens += len(ids)
    for head, cut, pair in zip(heads, cuts, batch, strict=True):
        parts.append(pair.input_ids[cut:])
        firsts.append(cut)
        stretches.append(Stretch(tokens, pair.length - cut, places.get(head, 0), cut))
        tokens += pair.length - cut
    lengths = np.array([stretch.length for stretch in stretches])
    starts = np.array([stretch.start for stretch in stretches])
    return CausalRow(
        input_ids=np.concatenate(parts),
        position_ids=np.arange(tokens) + np.repeat(np.array(firsts) - starts, lengths),
        stretches=tuple(stretches),
        ends=(starts + lengths - 1)[len(new) :],
        known=used,
        known_tokens=known_tokens,
        new=new,
    )


def _places(used: Sequence[bytes], known: Mapping[bytes, int]) -> tuple[dict[bytes, int], int]:
    """Where the keys of each head begin, and where all of them end."""
    places: dict[bytes, int] = {}
    tokens = 0
    for head in used:
        places[head] = tokens
        tokens += known[head]
    return places, tokens
