"""What a rerank cost, in response headers: those that TEI's clients know, and whether anything was cut.

A dialect whose body has no place for it says it here. Source of the names: router/src/http/server.rs of
huggingface/text-embeddings-inference 1.9.3; times are whole milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentorank.columns import contents_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.types import Ranking, RerankJob


def timing_headers(job: RerankJob, ranking: Ranking, device: str) -> dict[str, str]:
    """The headers of an answer."""
    timings = ranking.timings_ms
    characters = len(job.query) + sum(map(len, contents_of(job.documents)))
    values = {
        "x-compute-type": device,
        "x-compute-time": round(timings.total),
        "x-compute-characters": characters,
        "x-compute-tokens": ranking.usage.tokens,
        "x-total-time": round(timings.total),
        "x-tokenization-time": round(timings.tokenize),
        "x-queue-time": round(timings.queue),
        "x-inference-time": round(timings.inference),
        "x-truncated-documents": ranking.usage.truncated_documents,
        "x-truncated-query": int(ranking.query_truncated),
    }
    if ranking.usage.first_stage is not None:
        values["x-pruned-documents"] = ranking.usage.pruned_documents
    return {name: str(value) for name, value in values.items()} | warning_header(ranking.warnings)


def warning_header(warnings: Sequence[str]) -> dict[str, str]:
    """`x-warnings`, if there are any; a header takes no more than ASCII."""
    return {"x-warnings": "; ".join(warnings).encode("ascii", "replace").decode()} if warnings else {}
