"""NVIDIA NIM: `passages` in, `rankings` of raw logits out.

Source: https://docs.nvidia.com/nim/nemo-retriever/text-reranking, "API reference";
`top_k` as gateways send it: litellm/llms/nvidia_nim/rerank/transformation.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bentorank.columns import Documents
from bentorank.http.dialects.dialect import Answer, Dialect, JobRules, TokenUsage, token_usage
from bentorank.http.dialects.fields import CascadeFields, Model, PositiveInt, Query
from bentorank.types import Overflow, RerankJob, ScoreMode

if TYPE_CHECKING:
    from bentorank.types import Ranking


class NimQuery(BaseModel):
    """A query."""

    model_config = ConfigDict(strict=True)

    text: Query


class NimText(BaseModel):
    """A passage."""

    model_config = ConfigDict(strict=True)

    text: str


class NimBody(CascadeFields):
    """One query and the passages to order by their relevance to it."""

    model_config = ConfigDict(
        strict=True,
        title="NVIDIA NIM",
        json_schema_extra={
            "examples": [
                {
                    "model": "starter",
                    "query": {"text": "how tall is mount everest"},
                    "passages": [{"text": "K2 lies on the border."}, {"text": "Mount Everest rises 8,849 m."}],
                    "truncate": "END",
                }
            ]
        },
    )

    model: Model = None
    query: NimQuery
    passages: Annotated[list[NimText], Field(fail_fast=True)] = Field(min_length=1)
    truncate: Literal["NONE", "END"] | None = Field(
        None, description="`END` cuts a passage that does not fit; otherwise it is refused."
    )
    top_k: PositiveInt | None = Field(None, description="How many rankings to return; all unless set.")


class NimRanking(BaseModel):
    """One passage in its place."""

    model_config = ConfigDict(extra="forbid")

    index: int = Field(ge=0)
    logit: float


class NimResponse(BaseModel):
    """The passages, best first."""

    model_config = ConfigDict(extra="forbid")

    rankings: list[NimRanking]
    usage: TokenUsage


def to_job(body: NimBody, rules: JobRules, deadline: float) -> RerankJob:
    """What the body asks for."""
    documents = Documents([passage.text for passage in body.passages])
    rules.limits.check(body.query.text, documents, query_field="query.text", documents_field="passages")
    return RerankJob(
        query=body.query.text,
        documents=documents,
        top_n=body.top_k,
        cascade=rules.cascade(body.first_stage, body.keep, top_n=body.top_k),
        score_mode=ScoreMode.LOGIT,
        deadline=deadline,
        length=rules.length(Overflow.TRUNCATE if body.truncate == "END" else Overflow.ERROR),
    )


def to_response(_body: NimBody, _job: RerankJob, ranking: Ranking, _answer: Answer) -> dict[str, Any]:
    """The answer, best passage first."""
    rankings = [{"index": ranked.index, "logit": ranked.logit} for ranked in ranking.results]
    return {"rankings": rankings, "usage": token_usage(ranking.usage.tokens)}


NIM = Dialect("nim", NimBody, NimResponse, "passages", to_job, to_response)
