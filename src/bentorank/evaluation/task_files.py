"""The files of a user's collection, read into what there is to rerank."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from bentorank.engines.cores import usable_memory_bytes
from bentorank.evaluation.candidates import bm25_candidates
from bentorank.evaluation.collection import Task, judged_queries, make_task
from bentorank.evaluation.errors import EvaluationError
from bentorank.evaluation.formats import read_qrels, read_run, read_texts
from bentorank.evaluation.judgements import check_judgements

if TYPE_CHECKING:
    from bentorank.evaluation.formats import Rankings, Texts

# BM25's index was ten times its text; the other half of the memory is for the model, and for the rest of the machine.
CORPUS_SHARE_OF_MEMORY = 1 / 20
# As the service takes in a request: the model reads each of them for each query.
MOST_DOCUMENTS_OF_ALL = 1000


class FirstStage(StrEnum):
    """Which documents are candidates where no run says so. `AUTO` takes all if they are no more than would be cut."""

    AUTO = "auto"
    BM25 = "bm25"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class TaskFiles:
    """Corpus, queries, judgements, and a TREC run of candidates or what stands in for one."""

    corpus: Path
    queries: Path
    qrels: Path
    candidates: Path | FirstStage = FirstStage.BM25


def read_task(files: TaskFiles, *, top_k: int, limit_queries: int | None, seed: int = 0) -> Task:
    """Lists of at most `top_k` candidates, for all judged queries or a random sample of them by `seed`.

    Of the corpus only candidates and relevant documents are kept where a run names them; else all of it, up to a
    share of the memory. Raises EvaluationError for files that cannot be read or do not belong together.
    """
    judgements, all_queries = read_qrels(files.qrels), read_texts(files.queries)
    queries = judged_queries(all_queries, judgements, limit_queries, seed)
    if isinstance(files.candidates, Path):
        name, ranked = files.candidates.name, read_run(files.candidates)
        passages = read_texts(files.corpus, only=_wanted(queries, judgements, ranked, top_k))
    else:
        passages = read_texts(files.corpus, max_bytes=int(usable_memory_bytes() * CORPUS_SHARE_OF_MEMORY))
        name, ranked = _ranked(passages, queries, files.candidates, top_k)
    warnings = check_judgements(passages, all_queries, queries, judgements)
    depth = top_k if isinstance(files.candidates, Path) else len(passages)  # others are cut already
    task = make_task(passages, queries, judgements, ranked, depth)
    return replace(task, first_stage_name=name, warnings=warnings + task.warnings)


def _wanted(queries: Texts, judgements: dict[str, dict[str, int]], ranked: Rankings, top_k: int) -> set[str]:
    relevant = (document for query in queries for document, grade in judgements[query].items() if grade > 0)
    return set(relevant).union(*(ranked.get(query, [])[:top_k] for query in queries))


def _ranked(passages: Texts, queries: Texts, asked: FirstStage, top_k: int) -> tuple[str, Rankings]:
    """Candidates with what their order is called. All of a corpus begin with those that BM25 finds, the rest as they
    stand in the file.
    """
    if asked is FirstStage.ALL and len(passages) > MOST_DOCUMENTS_OF_ALL:
        raise EvaluationError(
            f"--candidates all takes a corpus of up to {MOST_DOCUMENTS_OF_ALL:,} documents, and this one has"
            f" {len(passages):,}: let bm25 choose, or name a run"
        )
    if asked is FirstStage.BM25 or (asked is FirstStage.AUTO and len(passages) > top_k):
        return "BM25", bm25_candidates(passages, queries, top_k)
    found = bm25_candidates(passages, queries, len(passages))
    return "BM25, then the rest", {query: list(dict.fromkeys([*best, *passages])) for query, best in found.items()}
