"""What a cache knows of a document, as bytes and back."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentorank.cache.values import pack, unpack
from bentorank.types import ScoredChunk, ScoredDocument, Span

logits = st.floats(width=32, allow_nan=False, allow_infinity=False)
spans = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)).map(lambda ends: Span(*sorted(ends)))


@st.composite
def documents(draw: st.DrawFn) -> ScoredDocument:
    """Whole documents, and split ones."""
    truncated = draw(st.booleans())
    whole = st.builds(ScoredChunk, logits, st.just(truncated), st.none()).map(lambda chunk: (chunk,))
    split = st.lists(st.builds(ScoredChunk, logits, st.just(truncated), spans), min_size=1, max_size=20).map(tuple)
    return ScoredDocument(draw(whole | split), draw(st.booleans()))


@given(documents())
def test_what_is_packed_comes_back(document: ScoredDocument) -> None:
    """Bit for bit: the engines' logits are float32."""
    packed = pack(document)
    assert packed is not None
    assert unpack(packed) == document


def test_most_documents_are_five_bytes() -> None:
    """One chunk, whole."""
    packed = pack(ScoredDocument((ScoredChunk(-1.5),), query_truncated=False))
    assert packed is not None
    assert len(packed) == 5


@given(st.binary(max_size=64))
def test_other_bytes_are_nothing_or_a_document_with_finite_logits(data: bytes) -> None:
    """Whatever they are, they do not raise, and what is read from them can be written so again."""
    document = unpack(data)
    if document is not None:
        assert all(math.isfinite(chunk.logit) for chunk in document.chunks)
        assert pack(document) == data


@pytest.mark.parametrize("logit", [math.nan, math.inf, -math.inf])
def test_a_logit_that_is_no_number_is_never_read(logit: float) -> None:
    """However it came there."""
    assert unpack(struct.pack("<Bf", 0, logit)) is None
    assert unpack(struct.pack("<BfII", 4, logit, 0, 5)) is None


@pytest.mark.parametrize(
    "chunk", [ScoredChunk(1e300), ScoredChunk(1.0, span=Span(0, 2**32)), ScoredChunk(1.0, span=Span(-1, 2))]
)
def test_numbers_that_no_engine_gives_are_not_packed(chunk: ScoredChunk) -> None:
    """Rather not remembered than remembered wrong."""
    assert pack(ScoredDocument((chunk,), query_truncated=False)) is None
