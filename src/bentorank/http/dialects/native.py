"""The native dialect, and the superset of Cohere v1, Jina, vLLM, Xinference and llama.cpp that it is.

Shapes: `native_request.py`, `native_response.py`. The two dialects differ only in what comes back unless asked for.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bentorank.columns import contents_of, metadata_of
from bentorank.errors import InvalidRequestError
from bentorank.http.dialects.cohere_v2 import meta
from bentorank.http.dialects.dialect import Answer, Dialect, JobRules, ranked_texts, token_usage
from bentorank.http.dialects.fields import keeps_end, read_documents
from bentorank.http.dialects.native_request import RerankBody, SupersetBody
from bentorank.http.dialects.native_response import RerankResponse, SupersetResponse
from bentorank.types import LengthPolicy, OnDeadline, OnItemError, Overflow, RerankJob

if TYPE_CHECKING:
    from bentorank.columns import Metadata
    from bentorank.types import FirstStageUsage, RankedDocument, Ranking


def to_job(body: RerankBody, rules: JobRules, deadline: float, *, field_prefix: str = "") -> RerankJob:
    """What the body asks for. Raises InvalidRequestError or PayloadTooLargeError naming the field."""
    query_field, documents_field = f"{field_prefix}query", f"{field_prefix}documents"
    rules.limits.check_query(body.query, query_field)
    documents = read_documents(body.documents, documents_field, body.rank_fields)
    rules.limits.check_documents(documents, documents_field)
    if body.top_k is not None and body.top_n is not None and body.top_k != body.top_n:
        raise InvalidRequestError(
            f"{field_prefix}top_n: contradicts top_k; send one of them", field=f"{field_prefix}top_n"
        )
    top_n = body.top_k or body.top_n or None
    return RerankJob(
        query=body.query,
        documents=documents,
        top_n=top_n,
        score_mode=body.mode,
        score_threshold=body.score_threshold,
        deadline=deadline,
        length=_length(body, rules),
        on_deadline=OnDeadline(body.on_deadline or OnDeadline.ERROR),
        on_item_error=OnItemError(body.on_item_error or OnItemError.ERROR),
        cascade=rules.cascade(body.first_stage, body.keep, top_n=top_n, field_prefix=field_prefix),
    )


def _length(body: RerankBody, rules: JobRules) -> LengthPolicy:
    limits = [limit for limit in (body.max_tokens_per_doc, body.truncate_prompt_tokens) if limit and limit > 0]
    return rules.length(
        _overflow(body),
        max_tokens_per_doc=min(limits, default=None),
        max_chunks_per_doc=body.max_chunks_per_doc,
        overlap_tokens=body.overlap_tokens,
        keep_end=keeps_end(body.truncation_side),
        instruction=body.instruction,
    )


def _overflow(body: RerankBody) -> Overflow | None:
    if body.overflow:
        return Overflow(body.overflow)
    if body.max_chunks_per_doc:
        return Overflow.CHUNK
    return None if body.truncate_prompt_tokens is None else Overflow.TRUNCATE


def to_native_response(body: RerankBody, job: RerankJob, ranking: Ranking, answer: Answer) -> dict[str, Any]:
    """The answer with content and metadata of the documents, unless the body does not want them."""
    content, document = body.return_documents is not False, body.return_documents is True
    return _response(job, ranking, answer, with_content=content, with_document=document)


def to_superset_response(body: RerankBody, job: RerankJob, ranking: Ranking, answer: Answer) -> dict[str, Any]:
    """The answer with the documents, unless the body does not want them: so Jina and vLLM, and nobody else minds.

    `data` repeats the results for those of Voyage's clients that send nothing to be told by.
    """
    document = body.return_documents is not False
    return {
        **_response(job, ranking, answer, with_content=False, with_document=document),
        "data": ranked_texts(ranking, job.documents, with_text=body.return_documents is True),
    }


def _response(
    job: RerankJob, ranking: Ranking, answer: Answer, *, with_content: bool, with_document: bool
) -> dict[str, Any]:
    timings, usage = ranking.timings_ms, ranking.usage
    contents, metadata = contents_of(job.documents), metadata_of(job.documents)
    return {
        "id": f"rerank-{answer.id}",
        "object": "rerank",
        "created": answer.created,
        "model": answer.model,
        "query": job.query,
        "results": [
            _result(ranked, contents[ranked.index], metadata, with_content=with_content, with_document=with_document)
            for ranked in ranking.results
        ],
        "usage": {
            **token_usage(ranking.usage.tokens),
            "pairs": usage.pairs,
            "cached_pairs": usage.cached_pairs,
            "truncated_documents": usage.truncated_documents,
            **_first_stage_usage(usage.first_stage),
        },
        "timings_ms": {
            "queue": timings.queue,
            "tokenize": timings.tokenize,
            "inference": timings.inference,
            "total": timings.total,
            **({} if timings.first_stage is None else {"first_stage": timings.first_stage}),
        },
        "latency_ms": timings.total,
        "warnings": list(ranking.warnings),
        "meta": meta(ranking, documents=len(job.documents), version="1"),
    }


def _result(
    ranked: RankedDocument, content: str, metadata: Metadata | None, *, with_content: bool, with_document: bool
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "index": ranked.index,
        "score": ranked.relevance_score,
        "relevance_score": ranked.relevance_score,
        "truncated": ranked.truncated,
    }
    if ranked.unscored:
        result["unscored"] = ranked.unscored
        if ranked.is_pruned:
            result["pruned"] = True
    if ranked.spans:
        best = ranked.spans[0].span
        result["span"] = {"start": best.start, "end": best.end}
    if with_content:
        result["content"] = content
        if metadata is not None and (own := metadata[ranked.index]) is not None:
            result["metadata"] = own
    if with_document:
        result["document"] = {"text": content}
    return result


def _first_stage_usage(first_stage: FirstStageUsage | None) -> dict[str, Any]:
    return {} if first_stage is None else {"first_stage": asdict(first_stage)}


def _has_asked_for_a_cascade(job: RerankJob) -> bool:
    """Who sends our field knows our answer; Cohere's and Jina's clients, which do not, may fail on a null score."""
    return job.cascade is not None and job.cascade.is_asked


NATIVE = Dialect(
    "native", RerankBody, RerankResponse, "documents", to_job, to_native_response, tells_pruned=lambda _job: True
)
SUPERSET = Dialect(
    "superset",
    SupersetBody,
    SupersetResponse,
    "documents",
    to_job,
    to_superset_response,
    tells_pruned=_has_asked_for_a_cascade,
)
