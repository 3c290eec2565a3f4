"""Joins queries, corpus, judgements and candidates into what there is to rerank."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bentorank.evaluation.errors import EvaluationError
from bentorank.evaluation.reranking import CandidateList

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bentorank.evaluation.formats import Qrels, Rankings, Texts


def judged_queries(queries: Texts, qrels: Qrels, limit: int | None, seed: int) -> Texts:
    """Queries that have a relevant document, in file order; with `limit`, a random sample by `seed`."""
    chosen = [query for query in queries if any(grade > 0 for grade in qrels.get(query, {}).values())]
    if not chosen:
        raise EvaluationError("no query of --queries has a relevant document in --qrels: are the ids the same?")
    if limit is not None and limit < len(chosen):
        # The generator's choice is only a sample of queries, nothing secret.
        sample = set(random.Random(seed).sample(chosen, limit))  # noqa: S311
        chosen = [query for query in chosen if query in sample]
    return {query: queries[query] for query in chosen}


@dataclass(frozen=True, slots=True)
class Task:
    """What is reranked and judged. `missing` counts candidates whose text the corpus does not have.

    Without judgements `qrels` is empty. `warnings` are sentences about files that belong together in part only.
    `first_stage_name` is what the order of the candidates is called.
    """

    lists: tuple[CandidateList, ...]
    qrels: Qrels
    missing: int
    warnings: tuple[str, ...] = ()
    first_stage_name: str = "BM25"

    @property
    def pairs(self) -> int:
        """Number of (query, passage) pairs."""
        return sum(len(candidates.documents) for candidates in self.lists)

    @property
    def first_stage(self) -> Rankings:
        """The order before reranking."""
        return {candidates.query_id: list(candidates.documents) for candidates in self.lists}

    def with_lists(self, lists: Sequence[CandidateList]) -> Task:
        """Some of the lists, with their judgements."""
        kept = {candidates.query_id for candidates in lists}
        qrels = {query: judged for query, judged in self.qrels.items() if query in kept}
        return replace(self, lists=tuple(lists), qrels=qrels)


def make_task(corpus: Texts, queries: Texts, qrels: Qrels, rankings: Rankings, top_k: int) -> Task:
    """Candidate lists of at most `top_k` documents that the corpus has, for each query."""
    if not any(query in rankings for query in queries):
        raise EvaluationError("no judged query has candidates: are the ids of --candidates those of --queries?")
    missing = 0
    lists = []
    for query, text in queries.items():
        best = rankings.get(query, [])[:top_k]
        known = tuple(document for document in best if document in corpus)
        missing += len(best) - len(known)
        lists.append(CandidateList(query, text, known, _texts(corpus, known)))
    if not any(candidates.documents for candidates in lists):
        raise EvaluationError("no candidate is in --corpus: are the document ids the same?")
    without = sum(not candidates.documents for candidates in lists)
    warnings = (f"{without} of {len(lists)} queries have no candidates and count as 0",) if without else ()
    return Task(tuple(lists), {query: qrels[query] for query in queries}, missing, warnings)


def _texts(corpus: Texts, documents: Iterable[str]) -> tuple[str, ...]:
    return tuple(corpus[document] for document in documents)
