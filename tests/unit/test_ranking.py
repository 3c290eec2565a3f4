"""From logits to a ranking."""

import math

import numpy as np
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from bentorank.columns import WholeDocuments
from bentorank.ranking import EMPTY_LOGIT, is_empty, present, rank, sigmoid
from bentorank.reading import Count
from bentorank.types import (
    Document,
    Mark,
    ModelActivation,
    RerankJob,
    ScoredChunk,
    ScoredDocument,
    ScoreMode,
    Span,
    Unscored,
)

# Where a float32 sigmoid is 1 for all of them, and where even a float64 one is.
saturating = st.sampled_from([17.0, 17.5, 18.0, 40.0, 41.0, 100.0, -100.0, -104.0, -800.0, 0.0, -0.0])
logit_lists = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False) | saturating, max_size=40)


def job(count, **options):
    return RerankJob("q", tuple(Document(str(i)) for i in range(count)), **options)


def ranked(logits, activation=ModelActivation.SIGMOID, **options):
    return rank([ScoredDocument((ScoredChunk(logit),)) for logit in logits], job(len(logits), **options), activation)


@given(logit_lists, st.sampled_from(ScoreMode))
def test_the_order_is_by_logit_then_index_in_every_mode(logits, mode):
    """Also where the presented scores saturate and tie."""
    result = ranked(logits, score_mode=mode)
    keys = [(-logits[r.index], r.index) for r in result]
    assert keys == sorted(keys)
    assert sorted(r.index for r in result) == list(range(len(logits)))
    scores = [r.relevance_score for r in result]
    assert scores == sorted(scores, reverse=True)


def test_logits_that_a_sigmoid_ties_keep_their_order():
    """In float32 all of these are exactly 1."""
    logits = [17.0, 17.5, 18.0, 40.0, 60.0]
    assert {float(np.float32(1) / (np.float32(1) + np.exp(np.float32(-x)))) for x in logits} == {1.0}
    assert [r.index for r in ranked(logits)] == [4, 3, 2, 1, 0]


@given(logit_lists, st.integers(1, 50), st.floats(-20, 20))
def test_threshold_then_cut(logits, top_n, threshold):
    """The kept results are the first of those at or above the threshold, in the scale of the mode."""
    everything = ranked(logits, score_mode=ScoreMode.LOGIT)
    kept = ranked(logits, score_mode=ScoreMode.LOGIT, score_threshold=threshold, top_n=top_n)
    assert kept == tuple(r for r in everything if r.relevance_score >= threshold)[:top_n]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_sigmoid_is_a_probability_for_any_finite_logit(logit):
    """No overflow, symmetric, monotonic at 0."""
    value = sigmoid(logit)
    assert 0.0 <= value <= 1.0
    assert value + sigmoid(-logit) == pytest.approx(1.0)
    assert (value >= 0.5) == (logit >= 0) or math.isclose(value, 0.5)


@pytest.mark.parametrize(
    ("mode", "activation", "expected"),
    [
        (ScoreMode.PROBABILITY, ModelActivation.IDENTITY, sigmoid(2.0)),
        (ScoreMode.PROBABILITY, ModelActivation.SIGMOID, sigmoid(2.0)),
        (ScoreMode.LOGIT, ModelActivation.SIGMOID, 2.0),
        (ScoreMode.MODEL, ModelActivation.SIGMOID, sigmoid(2.0)),
        (ScoreMode.MODEL, ModelActivation.IDENTITY, 2.0),
    ],
)
def test_modes(mode, activation, expected):
    """`model` follows the checkpoint, the others do not."""
    assert present(2.0, mode, activation) == expected


def test_truncation_travels_with_its_document():
    """By index, not by rank."""
    chunks = [ScoredChunk(1.0, truncated=True), ScoredChunk(3.0), ScoredChunk(2.0)]
    result = rank([ScoredDocument((chunk,)) for chunk in chunks], job(3), ModelActivation.SIGMOID)
    assert {r.index: r.truncated for r in result} == {0: True, 1: False, 2: False}


@given(st.lists(st.lists(st.floats(-20, 20), min_size=1, max_size=5), min_size=1, max_size=8))
def test_a_document_has_the_score_of_its_best_chunk(logits):
    """And its chunks come with it, best first; what was not to be split has none."""
    documents = [
        ScoredDocument(tuple(ScoredChunk(logit, span=Span(n, n + 1)) for n, logit in enumerate(row))) for row in logits
    ]
    for result in rank(documents, job(len(logits), score_mode=ScoreMode.LOGIT), ModelActivation.SIGMOID):
        row = logits[result.index]
        assert result.logit == max(row)
        assert [span.relevance_score for span in result.spans] == sorted(row, reverse=True)
        assert row[result.spans[0].span.start] == max(row)
    assert all(not result.spans for result in ranked([row[0] for row in logits]))


@given(st.lists(st.floats(-20, 20) | st.just(None), max_size=12), st.integers(1, 12))
def test_what_has_no_score_comes_last_in_the_order_of_the_request(logits, top_n):
    """Marked, without an invented score, counted by `top_n`; a threshold lets none of it pass."""
    documents = [Unscored("why") if x is None else ScoredDocument((ScoredChunk(x),)) for x in logits]
    whole = rank(documents, job(len(logits)), ModelActivation.SIGMOID)
    unscored = [index for index, logit in enumerate(logits) if logit is None]
    scored = len(logits) - len(unscored)
    assert [(r.index, r.logit, r.relevance_score, r.unscored) for r in whole[scored:]] == [
        (index, None, None, "why") for index in unscored
    ]
    assert all(r.unscored is None for r in whole[:scored])
    assert rank(documents, job(len(logits), top_n=top_n), ModelActivation.SIGMOID) == whole[:top_n]
    assert rank(documents, job(len(logits), score_threshold=0.0), ModelActivation.SIGMOID) == whole[:scored]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "\n\t\r",
            "\u00a0\u2003\u3000",
            "\u200b\u200d\ufeff",
            "\x00\x1f",
            "\u2800",
            "\u3164",
            "\ufffd \ufe0f",
        ),
        *("\u180b", "\u180d\u180f", "\u2065", "\U000e0100", "\U000e01ef\U000e0020", "\ufff0"),
    ],
)
def test_what_shows_nothing_is_empty(text):
    """White space, controls, zero-width characters and fillers, alone or together."""
    assert is_empty(text)
    assert not is_empty(text + "x")
    assert not is_empty("." + text)


def characters(expression):
    """Every code point of a class, as the package `regex` knows it from Unicode's own tables."""
    everything = "".join(chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000)
    return regex.findall(expression, everything, regex.VERSION1)


def test_what_unicode_says_to_ignore_is_empty():
    """More than 4,000 code points, white space and controls; but not the signs among the format characters."""
    ignorable = characters(r"[\p{Default_Ignorable_Code_Point}\p{White_Space}\p{Cc}]")
    assert len(ignorable) > 4000
    assert [character for character in ignorable if not is_empty(character)] == []
    signs = characters(r"\p{Prepended_Concatenation_Mark}")
    assert len(signs) >= 13
    assert [sign for sign in signs if is_empty(sign)] == []


invisible = st.text(
    st.sampled_from(" \n\x00\xad\u034f\u180d\u180f\u200d\u202e\u2065\u3164\ufe0f\U000e01ef\U000e0fff"), max_size=200
)
visible = st.characters(categories=["Lu", "Ll", "Lo", "Nd", "Pd", "Po", "Sm", "So"]).filter(
    lambda character: not regex.fullmatch(r"\p{Default_Ignorable_Code_Point}|[\u2800\ufffc\ufffd]", character)
)


@given(invisible, visible, invisible)
def test_one_visible_character_is_enough(before, character, after):
    """Wherever it stands, and however much around it shows nothing."""
    assert is_empty(before + after)
    assert not is_empty(before + character + after)


@pytest.mark.parametrize("text", ["0", "?", "\u0301", "日", "👍", " \u200b – "])
def test_what_shows_something_is_not(text):
    """A sign or a digit is enough."""
    assert not is_empty(text)


def test_an_empty_document_is_presented_as_zero():
    """Below every real one in each mode, in a form that JSON can write."""
    below, worst = ranked([EMPTY_LOGIT, -800.0])[::-1]
    assert (below.index, below.relevance_score, worst.index) == (0, 0.0, 1)
    assert math.isfinite(ranked([EMPTY_LOGIT], score_mode=ScoreMode.LOGIT)[0].relevance_score)


@given(logit_lists, st.sampled_from(ScoreMode), st.sampled_from([None, 1, 3]))
def test_documents_in_columns_are_ranked_as_objects_are(logits, mode, top_n):
    """Columns are a faster way to the same answer, ties included."""
    columns = WholeDocuments(logits, [Mark(truncated=place % 2 == 0) for place in range(len(logits))])
    asked = job(len(logits), score_mode=mode, top_n=top_n)
    assert rank(columns, asked, ModelActivation.SIGMOID) == rank([*columns], asked, ModelActivation.SIGMOID)
    assert Count.of(columns) == Count.of([*columns])
