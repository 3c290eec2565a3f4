"""The candidate lists that the package carries, so that a model can be measured before there is any data."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from bentorank.evaluation.collection import Task
from bentorank.evaluation.reranking import CandidateList

BUILT_IN = Path(__file__).parent / "data" / "lists.json.gz"


def built_in_task(queries: int | None = None) -> Task:
    """16 claims and questions with 10 passages each, of SciFact and SQuAD in turn, or the first so many; no judgements.

    Uncut, so lengths are mixed as they come. The passages are BM25's best, so that their order is a close thing.
    Licences are in data/ATTRIBUTION.md.
    """
    lists = json.loads(gzip.decompress(BUILT_IN.read_bytes()))[:queries]
    return Task(
        tuple(
            CandidateList(f"q{number}", entry["query"], _ids(entry["passages"]), tuple(entry["passages"]))
            for number, entry in enumerate(lists)
        ),
        qrels={},
        missing=0,
    )


def _ids(passages: list[str]) -> tuple[str, ...]:
    return tuple(f"p{place}" for place in range(len(passages)))
