"""The bodies of answers that are no ranking: what the service is, how it is, and errors."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class ServiceBody(BaseModel):
    """What this service is."""

    model_config = ConfigDict(extra="forbid")

    name: str
    version: str
    model: str = Field(description="The default, of which engine, device, precision and window are told.")
    models: list[str] = Field(description="The names of all that are served, the default first.")
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


class NimHealthBody(BaseModel):
    """How this service is, as NVIDIA NIM tells it."""

    model_config = ConfigDict(extra="forbid")

    object: Literal["health.response"]
    message: str
    status: Literal["live", "ready"]


class ModelBody(BaseModel):
    """A model that is served."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    id: str
    object: Literal["model"]
    created: int = Field(description="When the service started, in seconds since 1970.")
    owned_by: str
    backend: str = Field(description="The engine.")
    capabilities: list[str]
    stats: dict[str, Any]
    model_name: str
    model_type: Literal["rerank"]
    aliases: list[str] = Field(description="Other names that it is found by.")
    is_default: bool = Field(description="Whether requests that name no model, or one that is not served, get it.")


class ModelsBody(BaseModel):
    """The models that are served, the default first."""

    model_config = ConfigDict(extra="forbid")

    object: Literal["list"]
    data: list[ModelBody]


class ClusterAuthBody(BaseModel):
    """Whether requests need a key."""

    model_config = ConfigDict(extra="forbid")

    auth: bool


class RerankerLabels(BaseModel):
    """The one label of a reranker."""

    model_config = ConfigDict(extra="forbid")

    id2label: dict[str, str]
    label2id: dict[str, int]


class InfoModelType(BaseModel):
    """What kind of model it is."""

    model_config = ConfigDict(extra="forbid")

    reranker: RerankerLabels


class LimitsBody(BaseModel):
    """What one request may ask for; more is refused with 413."""

    model_config = ConfigDict(extra="forbid")

    max_documents: int = Field(description="Of one request.")
    max_document_chars: int
    max_query_chars: int
    max_batch_requests: int = Field(description="Of one `/rerank/batch`.")
    max_body_bytes: int
    max_request_tokens: int = Field(description="To be scored, chunks included.")


class ModelDetails(BaseModel):
    """A model that is served, and how it reads."""

    model_config = ConfigDict(extra="forbid")

    name: str
    aliases: list[str]
    engine: str
    device: str
    precision: str
    max_tokens: int = Field(description="Its window: tokens of a query with a document.")
    max_batch_tokens: int = Field(description="Tokens of one forward pass, padding included.")
    overflow: Literal["truncate", "chunk", "error"] = Field(
        description="What happens to a document that does not fit, unless a request says."
    )
    takes_instruction: bool
    first_stages: list[str] = Field(description="What may order documents cheaply before it reads the best of them.")
    first_stage: str = Field(description="Which of them does, or `none`, unless a request says.")
    keep: int = Field(description="How many documents it reads after one, unless a request says.")


class InfoBody(BaseModel):
    """The default model and its limits, as TEI tells them, and all models."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model_id: str
    model_sha: str | None
    model_dtype: str
    served_model_name: str
    model_type: InfoModelType
    max_concurrent_requests: int
    max_input_length: int = Field(description="Tokens of a query with a document.")
    max_batch_tokens: int
    max_batch_requests: int | None
    max_client_batch_size: int = Field(description="Documents of one request.")
    auto_truncate: bool = Field(description="Whether documents that do not fit are cut or split unless a request says.")
    tokenization_workers: int
    version: str
    sha: str | None
    docker_label: str | None
    limits: LimitsBody
    models: list[ModelDetails] = Field(description="All that are served, the default first.")


class ModelStatusBody(BaseModel):
    """How a model is; one that has been unloaded is not told."""

    model_config = ConfigDict(extra="forbid")

    name: str
    state: Literal["loading", "serving", "unloading", "failed"]
    is_default: bool = Field(description="Whether requests that name no model get it. It cannot be unloaded.")
    requests: int = Field(description="Those that it is answering.")
    error: str | None = Field(description="Why it could not be loaded.")


class ModelStatusesBody(BaseModel):
    """The models that are served, the default first, and the one of the last change unless that is done."""

    model_config = ConfigDict(extra="forbid")

    object: Literal["list"]
    data: list[ModelStatusBody]


class ErrorBody(BaseModel):
    """Every error answer: one flat shape that the published clients of other APIs can read too."""

    model_config = ConfigDict(extra="forbid")

    error: str
    error_type: str
    code: str
    message: str
    detail: str
    request_id: str
