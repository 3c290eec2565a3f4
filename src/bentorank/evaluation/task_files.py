"""The files of a user's collection, read into what there is to rerank."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bentorank.evaluation.candidates import bm25_candidates
from bentorank.evaluation.collection import Task, judged_queries, make_task
from bentorank.evaluation.formats import read_qrels, read_run, read_texts
from bentorank.evaluation.judgements import check_judgements

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class TaskFiles:
    """Corpus, queries, judgements, and a TREC run of candidates, for which BM25 stands in."""

    corpus: Path
    queries: Path
    qrels: Path
    candidates: Path | None = None

    @property
    def first_stage(self) -> str:
        """What the order of the candidates is called."""
        return "BM25" if self.candidates is None else self.candidates.name


def read_task(files: TaskFiles, *, top_k: int, limit_queries: int | None, seed: int = 0) -> Task:
    """Lists of at most `top_k` candidates, for all judged queries or a random sample of them by `seed`.

    Raises EvaluationError for files that cannot be read or do not belong together.
    """
    passages, judgements = read_texts(files.corpus), read_qrels(files.qrels)
    all_queries = read_texts(files.queries)
    queries = judged_queries(all_queries, judgements, limit_queries, seed)
    warnings = check_judgements(passages, all_queries, queries, judgements)
    ranked = bm25_candidates(passages, queries, top_k) if files.candidates is None else read_run(files.candidates)
    task = make_task(passages, queries, judgements, ranked, top_k)
    return replace(task, warnings=warnings + task.warnings)
