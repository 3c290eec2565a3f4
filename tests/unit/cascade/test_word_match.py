"""How well passages match a query word by word, against the definition written out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bentorank.cascade import word_match
from bentorank.cascade.word_match import match_words
from bentorank.engines.word_table import WordTable

if TYPE_CHECKING:
    import pytest

VOCABULARY = 40
ROWS = np.random.default_rng(3).normal(size=(VOCABULARY, 6)).astype(np.float32)
TABLE = WordTable(ROWS)
WORDS = st.lists(st.integers(0, VOCABULARY - 1), max_size=12)


def by_definition(query: list[int], passages: list[list[int]]) -> list[float]:
    """One word after the other."""
    directions = ROWS - ROWS.mean(axis=0)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    with_words = [passage for passage in passages if passage]
    scores = []
    for passage in passages:
        if not passage or not query:
            scores.append(-math.inf)
            continue
        total = weights = 0.0
        for word in query:
            holding = sum(word in other for other in with_words)
            weight = math.log(1 + (len(with_words) - holding + 0.5) / (holding + 0.5))
            total += weight * max(float(directions[word] @ directions[other]) for other in passage)
            weights += weight
        scores.append(total / weights)
    return scores


def as_ids(words: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(words, dtype=np.int64)


@given(query=WORDS, passages=st.lists(WORDS, min_size=1, max_size=8))
def test_it_is_the_weighted_mean_of_each_word_s_likest(query: list[int], passages: list[list[int]]) -> None:
    """Words that are rare among these passages weigh more; a passage without words has minus infinity."""
    found = match_words(TABLE, as_ids(query), [as_ids(passage) for passage in passages])
    np.testing.assert_allclose(found, by_definition(query, passages), atol=1e-5)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many words are compared in parts, so that a thousand long passages fit in the memory."""
    random = np.random.default_rng(5)
    query = random.integers(0, VOCABULARY, 20)
    passages = [random.integers(0, VOCABULARY, length) for length in (1, 30, 7, 12)]
    whole = match_words(TABLE, query, passages)
    monkeypatch.setattr(word_match, "_WORDS_AT_ONCE", 7)
    monkeypatch.setattr(word_match, "_QUERY_WORDS_AT_ONCE", 3)
    monkeypatch.setattr(word_match, "_COSINES_AT_ONCE", 150)
    np.testing.assert_allclose(match_words(TABLE, query, passages), whole, atol=1e-6)
