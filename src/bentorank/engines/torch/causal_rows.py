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


@dataclass(frozen=True, slots=True)
class GatheredRow:
    """A row as torch's kernel for variable lengths reads it, without known heads.

    `input_ids` and `position_ids` have the shape (tokens,), `ends` (pairs,). `keys` are the places in the row that the
    stretches see, one stretch after the other; `own` and `seen`, int32 of shape (stretches + 1,), are where each
    stretch begins and ends among the tokens and among these.
    """

    input_ids: NDArray[np.int64]
    position_ids: NDArray[np.int64]
    ends: NDArray[np.int64]
    keys: NDArray[np.int64]
    own: NDArray[np.int32]
    seen: NDArray[np.int32]

    @property
    def longest(self) -> int:
        """Keys that a stretch sees at most, which are never fewer than its tokens."""
        return int(np.diff(self.seen).max())

    def as_arrays(self) -> dict[str, NDArray[np.int64] | NDArray[np.int32]]:
        """By name."""
        return {name: getattr(self, name) for name in ("input_ids", "position_ids", "ends", "keys", "own", "seen")}


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


def gather(row: CausalRow) -> GatheredRow:
    """What each stretch of a row sees; it knows no heads but its own."""
    assert not row.known, "bug: a head whose keys are in no row"
    # Of each stretch the head, then itself.
    parts = np.array(
        [(each.head_start, each.head_length, each.start, each.length) for each in row.stretches], np.int64
    ).reshape(-1, 2)
    starts, lengths = parts[:, 0], parts[:, 1]
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    return GatheredRow(
        input_ids=row.input_ids,
        position_ids=row.position_ids,
        ends=row.ends,
        keys=np.arange(bounds[-1]) + np.repeat(starts - bounds[:-1], lengths),
        own=np.concatenate([[0], np.cumsum(lengths[1::2])]).astype(np.int32),
        seen=bounds[::2].astype(np.int32),
    )
