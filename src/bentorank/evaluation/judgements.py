"""Whether judgements belong to the corpus and the queries: where they do not, every measure is 0 and says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentorank.evaluation.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bentorank.evaluation.formats import Qrels, Texts


def check_judgements(corpus: Texts, all_queries: Texts, judged: Iterable[str], qrels: Qrels) -> tuple[str, ...]:
    """What is missing, a sentence each; `judged` are the queries that count.

    Raises EvaluationError where the corpus has no relevant document of them.
    """
    relevant = [document for query in judged for document, grade in qrels[query].items() if grade > 0]
    unknown = sum(document not in corpus for document in relevant)
    if unknown == len(relevant):
        raise EvaluationError(
            f"none of the {len(relevant)} relevant documents of --qrels is in --corpus: are the document ids the same?"
        )
    warnings = []
    if unknown:
        warnings.append(
            f"{unknown} of {len(relevant)} relevant documents are not in the corpus: no ranking can find them"
        )
    if absent := sum(query not in all_queries for query in qrels):
        warnings.append(f"{absent} of {len(qrels)} judged queries are not in the queries and do not count")
    return tuple(warnings)
