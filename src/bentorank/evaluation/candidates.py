"""First-stage candidates by BM25, for when there is a corpus and no run to rerank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bentorank.evaluation.extras import import_extra

if TYPE_CHECKING:
    from bentorank.evaluation.formats import Rankings, Texts


def bm25_candidates(corpus: Texts, queries: Texts, top_k: int) -> Rankings:
    """The `top_k` best documents a query by BM25 (k1 1.5, b 0.75; English stemmer and stopwords).

    Ties keep the order of the corpus. A document that shares no term with the query is no candidate: a list
    may be shorter, or empty.
    """
    bm25s = import_extra("bm25s")
    stemmer = import_extra("Stemmer").Stemmer("english")
    options = {"stopwords": "en", "stemmer": stemmer, "show_progress": False}
    index = bm25s.BM25()
    index.index(bm25s.tokenize(list(corpus.values()), **options), show_progress=False)
    terms = bm25s.tokenize(list(queries.values()), return_ids=False, **options)
    documents = list(corpus)
    rankings: Rankings = {}
    for query, query_terms in zip(queries, terms, strict=True):
        known = [term for term in query_terms if term in index.vocab_dict]
        scores = index.get_scores(known) if known else np.zeros(len(documents), dtype=np.float32)
        best = np.argsort(-scores, kind="stable")[:top_k]
        rankings[query] = [documents[place] for place in best if scores[place] > 0]
    return rankings
