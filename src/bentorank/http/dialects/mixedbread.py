"""Mixedbread: `input` in, `data` out.

Source: the types RerankResponse and client.rerank of the Python package mixedbread 0.54.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bentorank.http.dialects.dialect import Answer, Dialect, JobRules, TokenUsage, token_usage
from bentorank.http.dialects.fields import (
    INSTRUCTION,
    CascadeFields,
    DocumentBody,
    DocumentInputs,
    Instruction,
    LenientBool,
    Model,
    PositiveInt,
    Query,
    RankFields,
    read_documents,
)
from bentorank.types import RerankJob

if TYPE_CHECKING:
    from bentorank.types import Ranking


class MixedbreadBody(CascadeFields):
    """One query and the inputs to order by their relevance to it."""

    model_config = ConfigDict(
        strict=True,
        title="Mixedbread",
        json_schema_extra={
            "examples": [
                {
                    "model": "starter",
                    "query": "how tall is mount everest",
                    "input": ["K2 lies on the border.", "Mount Everest rises 8,849 m above sea level."],
                    "top_k": 1,
                    "return_input": True,
                }
            ]
        },
    )

    model: Model = None
    query: Query
    input: DocumentInputs = Field(min_length=1, description="Texts, or objects with `text` or `rank_fields`.")
    rank_fields: RankFields | None = Field(None, description="The fields of an object that are read, a line each.")
    top_k: PositiveInt | None = None
    return_input: LenientBool | None = None
    instruction: Instruction | None = Field(None, description=INSTRUCTION)


class MixedbreadResult(BaseModel):
    """One input in its place."""

    model_config = ConfigDict(extra="forbid")

    index: int = Field(ge=0)
    score: float
    input: Any = Field(None, description="As sent; absent unless asked for.")
    object: Literal["rank_result"]


class MixedbreadResponse(BaseModel):
    """The inputs, best first."""

    model_config = ConfigDict(extra="forbid")

    object: Literal["list"]
    model: str
    data: list[MixedbreadResult]
    usage: TokenUsage
    top_k: int
    return_input: bool


def to_job(body: MixedbreadBody, rules: JobRules, deadline: float) -> RerankJob:
    """What the body asks for."""
    documents = read_documents(body.input, "input", body.rank_fields)
    rules.limits.check(body.query, documents, documents_field="input")
    return RerankJob(
        query=body.query,
        documents=documents,
        top_n=body.top_k,
        cascade=rules.cascade(body.first_stage, body.keep, top_n=body.top_k),
        deadline=deadline,
        length=rules.length(instruction=body.instruction),
    )


def to_response(body: MixedbreadBody, _job: RerankJob, ranking: Ranking, answer: Answer) -> dict[str, Any]:
    """The answer, best input first."""
    return {
        "object": "list",
        "model": answer.model,
        "data": [
            {"index": ranked.index, "score": ranked.relevance_score, "object": "rank_result"}
            | ({"input": _as_sent(body.input[ranked.index])} if body.return_input else {})
            for ranked in ranking.results
        ],
        "usage": token_usage(ranking.usage.tokens),
        "top_k": body.top_k or len(body.input),
        "return_input": bool(body.return_input),
    }


def _as_sent(item: str | DocumentBody) -> object:
    return item if isinstance(item, str) else item.sent()


MIXEDBREAD = Dialect("mixedbread", MixedbreadBody, MixedbreadResponse, "input", to_job, to_response)
