"""BM25 finds what shares words with the query, and nothing else."""

from __future__ import annotations

import sys

import pytest

from bentorank.evaluation.candidates import bm25_candidates
from bentorank.installing import MissingExtraError

CORPUS = {
    "owl": "Owls are birds that hunt at night",
    "twin-1": "A whale breathes air",
    "twin-2": "A whale breathes air",
    "bread": "Sourdough bread needs flour, water and time",
}


def test_words_are_stemmed_and_ties_keep_the_order_of_the_corpus() -> None:
    """`hunting` finds `hunt`; equal documents stay as they stand in the file."""
    rankings = bm25_candidates(CORPUS, {"q1": "hunting owl", "q2": "breathing whales"}, top_k=3)
    assert rankings == {"q1": ["owl"], "q2": ["twin-1", "twin-2"]}


def test_a_query_without_known_words_has_no_candidates() -> None:
    """Words outside of the corpus, stopwords only, and nothing at all."""
    rankings = bm25_candidates(CORPUS, {"unknown": "zeppelin", "stopwords": "the and", "empty": ""}, top_k=3)
    assert rankings == {"unknown": [], "stopwords": [], "empty": []}


def test_top_k_cuts_the_list() -> None:
    """No more than top_k."""
    assert bm25_candidates(CORPUS, {"q": "whale"}, top_k=1) == {"q": ["twin-1"]}


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error names it."""
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'bentorank\[eval\]'"):
        bm25_candidates(CORPUS, {"q": "whale"}, top_k=1)
