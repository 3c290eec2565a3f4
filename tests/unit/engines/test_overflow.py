"""What is read of a long passage: nothing is lost that is not said to be, and every part fits."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentorank.engines.overflow import plan_reading
from bentorank.errors import DocumentTooLongError
from bentorank.types import LengthPolicy, Overflow

lengths = {"tokens": st.integers(0, 3000), "room": st.integers(1, 512)}
limits = st.none() | st.integers(1, 3000)


@given(**lengths, overlap=st.integers(0, 600), max_tokens=limits, max_chunks=limits, keep_end=st.booleans())
def test_chunks_cover_what_is_to_be_read(**drawn: Any) -> None:
    """They fit, touch or overlap as far as asked, are of one length, and miss nothing unless the reading says so."""
    tokens, room, max_chunks = drawn["tokens"], drawn["room"], drawn["max_chunks"]
    policy = LengthPolicy(
        Overflow.CHUNK,
        max_tokens_per_doc=drawn["max_tokens"],
        max_chunks_per_doc=max_chunks,
        overlap_tokens=drawn["overlap"],
        keep_end=drawn["keep_end"],
    )
    reading = plan_reading(tokens, room, policy, position=0)
    assert 1 <= len(reading.parts) <= (max_chunks or len(reading.parts))
    assert all(0 <= start <= end <= tokens and end - start <= room for start, end in reading.parts)
    overlap = min(drawn["overlap"], room // 2)
    for (start, end), (next_start, next_end) in pairwise(reading.parts):
        assert start < next_start
        assert end < next_end
        assert end - next_start >= overlap
    read = reading.parts[-1][1] - reading.parts[0][0]
    assert reading.truncated == (read < tokens)
    shorter = [end - start for start, end in reading.parts[:-1]]
    assert len(set(shorter)) <= 1
    assert all(length - (reading.parts[-1][1] - reading.parts[-1][0]) < len(reading.parts) for length in shorter)


@given(**lengths, max_tokens=limits, keep_end=st.booleans())
def test_a_cut_keeps_one_end(**drawn: Any) -> None:
    """As much as fits and is allowed, from the end that the policy names; a cut is marked."""
    tokens, room, max_tokens, keep_end = drawn["tokens"], drawn["room"], drawn["max_tokens"], drawn["keep_end"]
    reading = plan_reading(tokens, room, LengthPolicy(max_tokens_per_doc=max_tokens, keep_end=keep_end), position=0)
    kept = min(tokens, room, max_tokens or tokens)
    assert list(reading.parts) == [(tokens - kept, tokens) if keep_end else (0, kept)]
    assert reading.truncated == (kept < tokens)


@given(**lengths, max_tokens=limits)
def test_an_error_is_raised_only_where_something_would_be_lost(tokens: int, room: int, max_tokens: int | None) -> None:
    """A limit of the caller's own is no loss to the caller."""
    policy = LengthPolicy(Overflow.ERROR, max_tokens_per_doc=max_tokens)
    if min(tokens, max_tokens or tokens) > room:
        with pytest.raises(DocumentTooLongError, match=r"documents\[7\]: "):
            plan_reading(tokens, room, policy, position=7)
    else:
        plan_reading(tokens, room, policy, position=7)
