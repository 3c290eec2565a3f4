"""Infinity: documents come back as bare strings. Mounted under `/infinity`, because elsewhere they are objects.

Source: infinity_emb/fastapi_schemas/pymodels.py of infinity-emb 0.0.78.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bentorank.http.dialects.dialect import Answer, Dialect, JobRules, RankedText, TokenUsage, ranked_texts, token_usage
from bentorank.http.dialects.fields import (
    CascadeFields,
    Count,
    DocumentInputs,
    LenientBool,
    Model,
    Query,
    read_documents,
)
from bentorank.types import RerankJob, ScoreMode

if TYPE_CHECKING:
    from bentorank.types import Ranking


class InfinityBody(CascadeFields):
    """One query and the documents to order by their relevance to it."""

    model_config = ConfigDict(
        strict=True,
        title="Infinity",
        json_schema_extra={
            "examples": [
                {
                    "query": "how tall is mount everest",
                    "documents": ["K2 lies on the border.", "Mount Everest rises 8,849 m above sea level."],
                    "return_documents": True,
                }
            ]
        },
    )

    query: Query
    documents: DocumentInputs = Field(min_length=1, description="Texts, or objects with `text`.")
    return_documents: LenientBool | None = None
    raw_scores: LenientBool | None = Field(None, description="Logits instead of probabilities.")
    model: Model = None
    top_n: Count | None = Field(None, description="How many results to return; all unless set, or with 0.")


class InfinityResponse(BaseModel):
    """The documents, best first."""

    model_config = ConfigDict(extra="forbid")

    object: Literal["rerank"]
    results: list[RankedText]
    model: str
    usage: TokenUsage
    id: str
    created: int


def to_job(body: InfinityBody, rules: JobRules, deadline: float) -> RerankJob:
    """What the body asks for."""
    documents = read_documents(body.documents, "documents")
    rules.limits.check(body.query, documents)
    return RerankJob(
        query=body.query,
        documents=documents,
        top_n=body.top_n or None,
        cascade=rules.cascade(body.first_stage, body.keep, top_n=body.top_n),
        score_mode=ScoreMode.LOGIT if body.raw_scores else ScoreMode.PROBABILITY,
        deadline=deadline,
        length=rules.length(),
    )


def to_response(body: InfinityBody, job: RerankJob, ranking: Ranking, answer: Answer) -> dict[str, Any]:
    """The answer, best document first."""
    return {
        "object": "rerank",
        "results": ranked_texts(ranking, job.documents, with_text=bool(body.return_documents)),
        "model": answer.model,
        "usage": token_usage(ranking.usage.tokens),
        "id": f"infinity-{answer.id}",
        "created": answer.created,
    }


INFINITY = Dialect("infinity", InfinityBody, InfinityResponse, "documents", to_job, to_response)
