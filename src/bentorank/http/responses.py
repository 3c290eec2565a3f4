"""The native API's response bodies. The models document them; `http/native.py` writes the same shapes as dicts."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class ResultBody(BaseModel):
    """One document in its place."""

    model_config = ConfigDict(extra="forbid")

    index: int = Field(ge=0, description="Position of the document in the request.")
    score: float = Field(description="Same as `relevance_score`.")
    relevance_score: float = Field(description="Relevance to the query, presented as `score_mode` asks.")
    truncated: bool = Field(description="Whether the document was cut to fit the model's window.")
    content: str | None = Field(None, description="The passage; absent with `return_documents: false`.")
    metadata: dict[str, Any] | None = Field(None, description="As sent; absent if none was sent.")


class UsageBody(BaseModel):
    """What the rerank cost."""

    model_config = ConfigDict(extra="forbid")

    total_tokens: int = Field(ge=0, description="Tokens scored, special tokens included.")
    pairs: int = Field(ge=0, description="Query-document pairs scored.")
    cached_pairs: int = Field(ge=0, description="Pairs whose score was remembered.")
    truncated_documents: int = Field(ge=0, description="Documents cut to fit the model's window.")


class TimingsBody(BaseModel):
    """Where the time went, in milliseconds."""

    model_config = ConfigDict(extra="forbid")

    queue: float = Field(ge=0)
    tokenize: float = Field(ge=0)
    inference: float = Field(ge=0)
    total: float = Field(ge=0)


class RerankResponse(BaseModel):
    """The documents in order of relevance, best first."""

    model_config = ConfigDict(extra="forbid")

    id: str
    model: str
    query: str
    results: list[ResultBody]
    usage: UsageBody
    timings_ms: TimingsBody
    latency_ms: float = Field(ge=0, description="Same as `timings_ms.total`.")
    warnings: list[str]


class RerankBatchResponse(BaseModel):
    """One response for each request of the batch, in their order."""

    model_config = ConfigDict(extra="forbid")

    responses: list[RerankResponse]
    latency_ms: float = Field(ge=0)


class ServiceBody(BaseModel):
    """What this service is."""

    model_config = ConfigDict(extra="forbid")

    name: str
    version: str
    model: str
    engine: str
    device: str
    precision: str
    max_tokens: int = Field(ge=1, description="The model's window: a longer pair is cut.")
    endpoints: dict[str, str] = Field(description="Method and path of each endpoint, with what it does.")


class HealthBody(BaseModel):
    """How this service is."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["healthy"]
    model_loaded: bool
    timestamp: str = Field(description="UTC, ISO 8601.")


class ErrorBody(BaseModel):
    """Every error answer: one flat shape that the published clients of other APIs can read too."""

    model_config = ConfigDict(extra="forbid")

    error: str
    error_type: str
    code: str
    message: str
    detail: str
    request_id: str
