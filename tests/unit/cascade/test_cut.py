"""Which documents a first stage keeps: the best, and those of which nothing is known."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bentorank.cascade.cut import cut_after
from bentorank.cascade.first_stage import Sifted
from bentorank.types import Cascade, FirstStageUsage

SCORES = st.lists(st.none() | st.floats(-5, 5), min_size=1, max_size=30)


@given(scores=SCORES, keep=st.integers(1, 40), empty=st.integers(0, 5))
def test_every_document_is_kept_or_pruned_and_none_that_is_kept_is_worse(
    scores: list[float | None], keep: int, empty: int
) -> None:
    """Empty documents, which it did not read, are kept beside; the pruned ones stand best first, ties as sent."""
    places = list(range(empty, empty + len(scores)))
    cut = cut_after(Cascade("small", keep), empty + len(scores), places, Sifted(scores, len(scores), 7))
    assert sorted([*cut.kept, *cut.pruned]) == list(range(empty + len(scores)))
    assert list(cut.kept) == sorted(cut.kept)
    assert set(range(empty)) <= set(cut.kept)
    assert len(cut.pruned) == max(0, len(scores) - keep)
    known = {place: float("inf") if score is None else score for place, score in zip(places, scores, strict=True)}
    pruned = [known[place] for place in cut.pruned]
    assert pruned == sorted(pruned, reverse=True)
    assert all(known[kept] >= known[lost] for kept in cut.kept if kept in known for lost in cut.pruned)
    assert [*cut.pruned] == sorted(cut.pruned, key=lambda place: (-known[place], place))


def test_what_it_read_is_told_and_a_setting_s_pruning_too() -> None:
    """Who asks for a first stage needs no warning."""
    sifted = Sifted([1.0, 0.5, 2.0], pairs=4, tokens=60)
    asked, set_up = (cut_after(Cascade("small", 1, is_asked=asked), 3, range(3), sifted) for asked in (True, False))
    assert asked.usage == set_up.usage
    assert asked.usage == FirstStageUsage("small", pairs=4, tokens=60, pruned_documents=2)
    assert asked.warnings == ()
    assert set_up.warnings == ("2 of 3 documents were pruned by a first stage and have no score",)
