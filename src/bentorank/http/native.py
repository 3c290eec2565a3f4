"""The native dialect: native body to RerankJob, Ranking to native body. Shapes: `requests.py`, `responses.py`."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from bentorank.errors import InvalidRequestError
from bentorank.types import Document, RerankJob

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bentorank.http.limits import RequestLimits
    from bentorank.http.requests import DocumentBody, RerankBody
    from bentorank.types import RankedDocument, Ranking


# orjson writes 254 levels, and the answer has some of its own.
MAX_METADATA_LEVELS = 64


def to_job(body: RerankBody, limits: RequestLimits, deadline: float, *, field_prefix: str = "") -> RerankJob:
    """What the body asks for. Raises InvalidRequestError or PayloadTooLargeError naming the field."""
    limits.check_query(body.query, f"{field_prefix}query")
    documents_field = f"{field_prefix}documents"
    documents = tuple(
        _document(document, f"{documents_field}[{index}]") for index, document in enumerate(body.documents)
    )
    limits.check_documents(documents, documents_field)
    if body.top_k is not None and body.top_n is not None and body.top_k != body.top_n:
        raise InvalidRequestError(
            f"{field_prefix}top_n: contradicts top_k; send one of them", field=f"{field_prefix}top_n"
        )
    return RerankJob(
        query=body.query,
        documents=documents,
        top_n=body.top_k if body.top_k is not None else body.top_n,
        score_mode=body.mode,
        score_threshold=body.score_threshold,
        deadline=deadline,
    )


def _document(document: str | DocumentBody, field: str) -> Document:
    if isinstance(document, str):
        return Document(document)
    content = document.content if document.content is not None else document.text
    if content is None:
        raise InvalidRequestError(f"{field}.content: is required", field=f"{field}.content")
    if document.metadata is not None and _is_deeper_than(MAX_METADATA_LEVELS, document.metadata):
        raise InvalidRequestError(
            f"{field}.metadata: nested deeper than the limit of {MAX_METADATA_LEVELS} levels", field=f"{field}.metadata"
        )
    return Document(content, document.metadata)


def _is_deeper_than(levels: int, value: object) -> bool:
    children: Iterable[object]
    match value:
        case dict():
            children = value.values()
        case list():
            children = value
        case _:
            return False
    return levels == 0 or any(_is_deeper_than(levels - 1, child) for child in children)


def to_response(ranking: Ranking, job: RerankJob, *, model: str, return_documents: bool) -> dict[str, Any]:
    """The answer to a native request, as plain JSON values."""
    timings = ranking.timings_ms
    usage = ranking.usage
    return {
        "id": f"rerank-{uuid.uuid4().hex}",
        "model": model,
        "query": job.query,
        "results": [
            _result(ranked, job.documents[ranked.index] if return_documents else None) for ranked in ranking.results
        ],
        "usage": {
            "total_tokens": usage.tokens,
            "pairs": usage.pairs,
            "cached_pairs": usage.cached_pairs,
            "truncated_documents": usage.truncated_documents,
        },
        "timings_ms": {
            "queue": timings.queue,
            "tokenize": timings.tokenize,
            "inference": timings.inference,
            "total": timings.total,
        },
        "latency_ms": timings.total,
        "warnings": list(ranking.warnings),
    }


def _result(ranked: RankedDocument, document: Document | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "index": ranked.index,
        "score": ranked.relevance_score,
        "relevance_score": ranked.relevance_score,
        "truncated": ranked.truncated,
    }
    if document is not None:
        result["content"] = document.content
        if document.metadata is not None:
            result["metadata"] = document.metadata
    return result
