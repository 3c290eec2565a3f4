"""Client for bentorank, a self-hosted reranking service."""

from bentorank_client.arguments import Document, RerankArguments
from bentorank_client.async_reranker import AsyncReranker
from bentorank_client.client import RerankClient, SupportsRerank
from bentorank_client.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    CircuitOpenError,
    InvalidResponseError,
    OverloadedError,
    RateLimitError,
    RerankError,
)
from bentorank_client.options import ClientOptions
from bentorank_client.results import (
    FirstStageUsage,
    RankedDocument,
    RerankRequest,
    RerankResult,
    Span,
    Timings,
    Usage,
)
from bentorank_client.service_info import ModelInfo
from bentorank_client.sync_reranker import Reranker

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncReranker",
    "AuthenticationError",
    "BadRequestError",
    "CircuitOpenError",
    "ClientOptions",
    "Document",
    "FirstStageUsage",
    "InvalidResponseError",
    "ModelInfo",
    "OverloadedError",
    "RankedDocument",
    "RateLimitError",
    "RerankArguments",
    "RerankClient",
    "RerankError",
    "RerankRequest",
    "RerankResult",
    "Reranker",
    "Span",
    "SupportsRerank",
    "Timings",
    "Usage",
]
__version__ = "0.1.0"
