"""The ranker component: retrieved documents in, the most relevant ones out, best first."""

# Haystack reads the annotations of `run` when the class is made, so they are not postponed here.
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Literal

from bentorank_client import RerankClient, RerankResult, SupportsRerank
from haystack import Document, component, default_from_dict, default_to_dict
from haystack.utils import Secret, deserialize_secrets_inplace

DEGRADED_KEY = "rerank_degraded"
USER_AGENT = f"bentorank-haystack/{version('bentorank-haystack')}"


@component
class BentoRanker:
    """Ranks documents with a bentorank service, or in this process with `client=LocalReranker(…)`.

    Documents come back as copies with their `score`; those given are not touched. Raises bentorank_client.RerankError
    when the service fails, unless `on_error="passthrough"`, and ValueError for an argument that cannot be.
    """

    def __init__(  # noqa: PLR0913 - each is one option, as Haystack has it
        self,
        *,
        base_url: str | list[str] | None = None,
        api_key: Secret | None = Secret.from_env_var("BENTORANK_API_KEY", strict=False),  # noqa: B008 - immutable
        model: str | None = None,
        top_k: int | None = None,
        score_threshold: float | None = None,
        meta_fields_to_embed: list[str] | None = None,
        meta_data_separator: str = "\n",
        timeout_s: float = 30.0,
        max_attempts: int = 3,
        max_batch_size: int = 1000,
        max_concurrency: int = 4,
        on_error: Literal["raise", "passthrough"] = "raise",
        client: SupportsRerank | None = None,
    ) -> None:
        """Without `base_url`, the service is where BENTORANK_BASE_URL says, else at http://127.0.0.1:3000.

        `top_k=None` returns all documents. `meta_fields_to_embed` are read before the content. `client` is used in
        place of one made from the other arguments, and is not serialised. The rest: bentorank_client.ClientOptions.
        """
        _check_top_k(top_k)
        self.base_url = base_url
        self.api_key = api_key
        self.model = model
        self.top_k = top_k
        self.score_threshold = score_threshold
        self.meta_fields_to_embed = meta_fields_to_embed or []
        self.meta_data_separator = meta_data_separator
        self.timeout_s = timeout_s
        self.max_attempts = max_attempts
        self.max_batch_size = max_batch_size
        self.max_concurrency = max_concurrency
        self.on_error = on_error
        self.client = client
        # It opens no connection yet.
        self._client: SupportsRerank = client or RerankClient(
            base_url=base_url or "",
            api_key=(api_key.resolve_value() or "") if api_key else "",
            model=model,
            timeout_s=timeout_s,
            max_attempts=max_attempts,
            max_batch_size=max_batch_size,
            max_concurrency=max_concurrency,
            on_error=on_error,
            user_agent=USER_AGENT,
        )

    @component.output_types(documents=list[Document])
    def run(self, query: str, documents: list[Document], top_k: int | None = None) -> dict[str, list[Document]]:
        """The most relevant documents, best first; `top_k` takes the place of the component's own."""
        _check_top_k(top_k)
        result = self._client.rerank(
            query, self._texts(documents), top_n=top_k or self.top_k, score_threshold=self.score_threshold
        )
        return {"documents": _in_order(documents, result)}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, documents: list[Document], top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """As `run`, without blocking the event loop."""
        _check_top_k(top_k)
        result = await self._client.arerank(
            query, self._texts(documents), top_n=top_k or self.top_k, score_threshold=self.score_threshold
        )
        return {"documents": _in_order(documents, result)}

    def close(self) -> None:
        """Close idle connections. The component stays usable."""
        if isinstance(self._client, RerankClient):
            self._client.close()

    async def close_async(self) -> None:
        """Close idle connections, the running loop's included."""
        if isinstance(self._client, RerankClient):
            await self._client.aclose()

    def to_dict(self) -> dict[str, Any]:
        """For a pipeline's file; the key by the name of its variable alone."""
        return default_to_dict(
            self,
            base_url=self.base_url,
            api_key=self.api_key.to_dict() if self.api_key else None,
            model=self.model,
            top_k=self.top_k,
            score_threshold=self.score_threshold,
            meta_fields_to_embed=self.meta_fields_to_embed,
            meta_data_separator=self.meta_data_separator,
            timeout_s=self.timeout_s,
            max_attempts=self.max_attempts,
            max_batch_size=self.max_batch_size,
            max_concurrency=self.max_concurrency,
            on_error=self.on_error,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "BentoRanker":
        """From what `to_dict` gave."""
        deserialize_secrets_inplace(data["init_parameters"], keys=["api_key"])
        ranker: BentoRanker = default_from_dict(cls, data)
        return ranker

    def _texts(self, documents: list[Document]) -> list[str]:
        return [self._text(document) for document in documents]

    def _text(self, document: Document) -> str:
        fields = [str(document.meta[name]) for name in self.meta_fields_to_embed if document.meta.get(name) is not None]
        return self.meta_data_separator.join([*fields, document.content or ""])


def _in_order(documents: list[Document], result: RerankResult) -> list[Document]:
    if result.degraded:
        return [_degraded(documents[ranked.index]) for ranked in result]
    return [replace(documents[ranked.index], score=ranked.relevance_score) for ranked in result]


def _degraded(document: Document) -> Document:
    """The document with the score that it came with, and a mark."""
    return replace(document, meta=document.meta | {DEGRADED_KEY: True})


def _check_top_k(top_k: int | None) -> None:
    if top_k is not None and top_k < 1:
        raise ValueError("top_k: must be at least 1, or None for all")
