"""The native API's response bodies. The models document them; `native.py` writes the same shapes as dicts."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bentorank.http.dialects.cohere_v2 import CohereMeta, DocumentText
from bentorank.http.dialects.dialect import RankedText


class SpanBody(BaseModel):
    """Part of a document: code points from `start` up to and without `end`."""

    model_config = ConfigDict(extra="forbid")

    start: int = Field(ge=0)
    end: int = Field(ge=0)


class ResultBody(BaseModel):
    """One document in its place."""

    model_config = ConfigDict(extra="forbid")

    index: int = Field(ge=0, description="Position of the document in the request.")
    score: float | None = Field(description="Same as `relevance_score`.")
    relevance_score: float | None = Field(
        description="Relevance to the query, presented as `score_mode` asks; null where `unscored` says why."
    )
    truncated: bool = Field(description="Whether the document was cut to fit the model's window.")
    unscored: str | None = Field(
        None,
        description="Why there is no score, where `on_deadline` or `on_item_error` lets such documents be: a code such"
        " as `deadline_exceeded`, `scoring_failed`, `non_finite_score` or `document_too_long`; `pruned` where a first"
        " stage kept it from the model; absent otherwise.",
    )
    pruned: Literal[True] | None = Field(
        None,
        description="Where a first stage kept the document from the model: it stands after all others, in the order of"
        " that stage. Absent otherwise.",
    )
    span: SpanBody | None = Field(
        None, description="The chunk that has this score, where documents were to be split; absent otherwise."
    )
    content: str | None = Field(None, description="The passage; absent unless documents are to come back.")
    metadata: dict[str, Any] | None = Field(None, description="As sent; absent if none was sent.")
    document: DocumentText | None = Field(
        None, description="The passage; on `/rerank` with `return_documents: true`, elsewhere unless it is false."
    )


class FirstStageBody(BaseModel):
    """What a first stage read."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="`embeddings`, or that of a model.")
    pairs: int = Field(ge=0, description="Pairs that it read; a chunk is one, and empty documents are none.")
    tokens: int = Field(
        ge=0, description="Tokens that it read. Those that took another model are counted in `total_tokens` too."
    )
    pruned_documents: int = Field(ge=0, description="Documents that it kept from the model.")


class UsageBody(BaseModel):
    """What the rerank cost."""

    model_config = ConfigDict(extra="forbid")

    prompt_tokens: int = Field(ge=0, description="Same as `total_tokens`.")
    completion_tokens: int = Field(ge=0, description="Always 0: strict clients want it.")
    total_tokens: int = Field(ge=0, description="Tokens that models scored, a first stage's too.")
    pairs: int = Field(ge=0, description="Query-document pairs with a score; a document that was split has several.")
    cached_pairs: int = Field(
        ge=0, description="Those of them whose score was remembered, or computed for another request at that time."
    )
    truncated_documents: int = Field(ge=0, description="Documents cut to fit the model's window.")
    first_stage: FirstStageBody | None = Field(None, description="Absent where no first stage was needed.")


class TimingsBody(BaseModel):
    """Where the time went, in milliseconds."""

    model_config = ConfigDict(extra="forbid")

    queue: float = Field(ge=0)
    tokenize: float = Field(ge=0)
    inference: float = Field(ge=0)
    total: float = Field(ge=0)
    first_stage: float | None = Field(None, ge=0, description="Absent where no first stage was needed.")


class RerankResponse(BaseModel):
    """The documents in order of relevance, best first."""

    model_config = ConfigDict(extra="forbid")

    id: str
    object: Literal["rerank"]
    created: int = Field(description="Seconds since 1970.")
    model: str
    query: str
    results: list[ResultBody]
    usage: UsageBody
    timings_ms: TimingsBody
    latency_ms: float = Field(ge=0, description="Same as `timings_ms.total`.")
    warnings: list[str] = Field(description="Such as documents that were cut.")
    meta: CohereMeta = Field(description="As Cohere v1 has it.")


class SupersetResponse(RerankResponse):
    """The same, and Voyage's list: its clients send nothing that tells them apart unless `top_k` is set."""

    data: list[RankedText] = Field(description="As Voyage has the results; `document` with `return_documents: true`.")


class RerankBatchResponse(BaseModel):
    """One response for each request of the batch, in their order."""

    model_config = ConfigDict(extra="forbid")

    responses: list[RerankResponse]
    latency_ms: float = Field(ge=0)
