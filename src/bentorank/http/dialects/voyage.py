"""Voyage: `top_k` and `truncation` in, `data` out.

Source: voyageai/_base.py and object/reranking.py of the Python package voyageai 0.5.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bentorank.http.dialects.dialect import Answer, Dialect, JobRules, RankedText, overflow_of, ranked_texts
from bentorank.http.dialects.fields import (
    INSTRUCTION,
    CascadeFields,
    DocumentInputs,
    Instruction,
    LenientBool,
    Model,
    PositiveInt,
    Query,
    read_documents,
)
from bentorank.types import RerankJob

if TYPE_CHECKING:
    from bentorank.types import Ranking


class VoyageBody(CascadeFields):
    """One query and the documents to order by their relevance to it."""

    model_config = ConfigDict(
        strict=True,
        title="Voyage",
        json_schema_extra={
            "examples": [
                {
                    "model": "starter",
                    "query": "how tall is mount everest",
                    "documents": ["K2 lies on the border.", "Mount Everest rises 8,849 m above sea level."],
                    "top_k": 1,
                    "truncation": True,
                }
            ]
        },
    )

    query: Query
    documents: DocumentInputs = Field(min_length=1, description="Texts, or objects with `text`.")
    model: Model = None
    top_k: PositiveInt | None = None
    truncation: LenientBool | None = Field(None, description="`false` refuses a document that does not fit.")
    return_documents: LenientBool | None = None
    instruction: Instruction | None = Field(None, description=INSTRUCTION)


class VoyageUsage(BaseModel):
    """What the rerank cost."""

    model_config = ConfigDict(extra="forbid")

    total_tokens: int


class VoyageResponse(BaseModel):
    """The documents, best first."""

    model_config = ConfigDict(extra="forbid")

    object: Literal["list"]
    data: list[RankedText]
    model: str
    usage: VoyageUsage


def to_job(body: VoyageBody, rules: JobRules, deadline: float) -> RerankJob:
    """What the body asks for."""
    documents = read_documents(body.documents, "documents")
    rules.limits.check(body.query, documents)
    return RerankJob(
        query=body.query,
        documents=documents,
        top_n=body.top_k,
        cascade=rules.cascade(body.first_stage, body.keep, top_n=body.top_k),
        deadline=deadline,
        length=rules.length(overflow_of(truncates=body.truncation), instruction=body.instruction),
    )


def to_response(body: VoyageBody, job: RerankJob, ranking: Ranking, answer: Answer) -> dict[str, Any]:
    """The answer, best document first."""
    return {
        "object": "list",
        "data": ranked_texts(ranking, job.documents, with_text=bool(body.return_documents)),
        "model": answer.model,
        "usage": {"total_tokens": ranking.usage.tokens},
    }


VOYAGE = Dialect("voyage", VoyageBody, VoyageResponse, "documents", to_job, to_response)
