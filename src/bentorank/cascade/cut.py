"""Which documents the model reads, and which a first stage prunes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bentorank.columns import contents_of
from bentorank.ranking import is_empty
from bentorank.types import PRUNED, FirstStageUsage, Unscored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.cascade.first_stage import Sifted
    from bentorank.types import Cascade, Document, ScoredDocument


PRUNED_BY_SETTING = "were pruned by a first stage and have no score"


class Cut(NamedTuple):
    """Places of documents in their request: `kept` in the order of the request, `pruned` best first.

    `warnings` say what the caller may not have expected. Of the `sifted` documents so many `failed` in the first stage.
    """

    kept: Sequence[int]
    pruned: Sequence[int] = ()
    usage: FirstStageUsage | None = None
    warnings: tuple[str, ...] = ()
    sifted: int = 0
    failed: int = 0

    def with_pruned(self, kept: Sequence[ScoredDocument | Unscored]) -> Sequence[ScoredDocument | Unscored]:
        """All documents in the order of the request: those that were `kept`, as they are, and the others marked."""
        if not self.pruned:
            return kept
        by_place: dict[int, ScoredDocument | Unscored] = dict(zip(self.kept, kept, strict=True))
        by_place |= {place: Unscored(PRUNED, rank) for rank, place in enumerate(self.pruned, start=1)}
        return [by_place[place] for place in range(len(by_place))]


def places_to_sift(documents: Sequence[Document], keep: int) -> list[int]:
    """Those of the documents that a first stage chooses from: none where the model reads all of them anyway.

    Empty documents take nobody's place: none is read.
    """
    places = [place for place, text in enumerate(contents_of(documents)) if not is_empty(text)]
    return places if len(places) > keep else []


def cut_after(cascade: Cascade, documents: int, places: Sequence[int], sifted: Sifted) -> Cut:
    """Keep the best of the documents at `places`, ties by their place, and those that the first stage did not read.

    One that it could not score is kept before all others: nothing is known against it.
    """
    scores = dict(zip(places, sifted.scores, strict=True))
    best_first = sorted(places, key=lambda place: _key(scores[place]))
    pruned = best_first[cascade.keep :]
    kept = sorted(set(range(documents)).difference(pruned))
    usage = FirstStageUsage(cascade.first_stage, sifted.pairs, sifted.tokens, len(pruned))
    # Who asks for a first stage knows.
    told = () if cascade.is_asked else (f"{len(pruned)} of {documents} documents {PRUNED_BY_SETTING}",)
    return Cut(kept, pruned, usage, told, len(places), sifted.scores.count(None))


def _key(score: float | None) -> tuple[bool, float]:
    return (False, 0.0) if score is None else (True, -score)
