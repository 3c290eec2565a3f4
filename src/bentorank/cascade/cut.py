"""Which documents the model reads, and which a first stage prunes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bentorank.types import FirstStageUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.cascade.first_stage import Sifted
    from bentorank.types import Cascade


class Cut(NamedTuple):
    """Places of documents in their request: `kept` in the order of the request, `pruned` best first."""

    kept: Sequence[int]
    pruned: Sequence[int] = ()
    usage: FirstStageUsage | None = None


def cut_after(cascade: Cascade, documents: int, places: Sequence[int], sifted: Sifted) -> Cut:
    """Keep the best of the documents at `places`, ties by their place, and those that the first stage did not read.

    One that it could not score is kept before all others: nothing is known against it.
    """
    scores = dict(zip(places, sifted.scores, strict=True))
    best_first = sorted(places, key=lambda place: _key(scores[place]))
    pruned = best_first[cascade.keep :]
    kept = sorted(set(range(documents)).difference(pruned))
    usage = FirstStageUsage(cascade.first_stage, len(places), sifted.tokens, len(pruned))
    return Cut(kept, pruned, usage)


def _key(score: float | None) -> tuple[bool, float]:
    return (False, 0.0) if score is None else (True, -score)
