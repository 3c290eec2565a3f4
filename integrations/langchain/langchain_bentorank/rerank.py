"""The document compressor: retrieved documents in, the most relevant ones out, best first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict

from bentorank_client import RerankClient, RerankResult, SupportsRerank
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr, model_validator

from langchain_bentorank.tracing import atraced, traced

if TYPE_CHECKING:
    from bentorank_client.options import ClientArguments
    from langchain_core.callbacks import Callbacks

DEGRADED_KEY = "rerank_degraded"
USER_AGENT = f"langchain-bentorank/{version('langchain-bentorank')}"


class RerankInput(TypedDict):
    """What `as_runnable()` takes."""

    query: str
    documents: list[Document]


class RankedIndex(TypedDict):
    """One document in its place, as `rerank()` gives it."""

    index: int
    relevance_score: float | None


class BentoRerank(BaseDocumentCompressor):
    """Reranks documents with a bentorank service, or in this process with `client=LocalReranker(…)`.

    Documents come back as copies with `relevance_score` in their metadata; those given are not touched. Raises
    bentorank_client.RerankError when the service fails, unless `on_error="passthrough"`.
    """

    model_config = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, validate_assignment=True, protected_namespaces=()
    )

    base_url: str | list[str] | None = None
    """Where the service is; several take turns. Default: BENTORANK_BASE_URL, else http://127.0.0.1:3000."""
    api_key: SecretStr | None = None
    """Default: BENTORANK_API_KEY."""
    model: str | None = None
    top_n: int | None = Field(default=None, ge=1)
    """How many documents to keep. None keeps all of them, in order of relevance."""
    score_threshold: float | None = None
    """Leave out documents that score lower."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Until the call ends, retries included."""
    max_attempts: int = Field(default=3, ge=1)
    max_batch_size: int = Field(default=1000, ge=1)
    """Documents per request; more are split and merged exactly."""
    max_concurrency: int = Field(default=4, ge=1)
    on_error: Literal["raise", "passthrough"] = "raise"
    """`passthrough` goes on with the documents as they came, without scores, marked `rerank_degraded`."""
    score_key: str = "relevance_score"
    """The metadata key of the score."""
    document_formatter: Callable[[Document], str] | None = Field(default=None, exclude=True)
    """The text that the model reads of a document; its `page_content` unless set."""
    client: SupportsRerank | None = Field(default=None, exclude=True, repr=False)
    """Used in place of a client made from the fields above."""

    _client: SupportsRerank = PrivateAttr()
    _clients_by_model: dict[str, RerankClient] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _make_client(self) -> Self:
        # Also after an assignment. It opens no connection yet.
        self._client = self.client or RerankClient(**self._client_arguments())
        self._clients_by_model = {}
        return self

    def _client_arguments(self) -> ClientArguments:
        return {
            "base_url": self.base_url or "",
            "api_key": None if self.api_key is None else self.api_key.get_secret_value(),
            "model": self.model,
            "timeout_s": self.timeout_s,
            "max_attempts": self.max_attempts,
            "max_batch_size": self.max_batch_size,
            "max_concurrency": self.max_concurrency,
            "on_error": self.on_error,
            "user_agent": USER_AGENT,
        }

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """The most relevant documents, best first."""
        return self.rerank_documents(documents, query, callbacks=callbacks)

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """The most relevant documents, best first."""
        return await self.arerank_documents(documents, query, callbacks=callbacks)

    def rerank_documents(
        self,
        documents: Sequence[Document],
        query: str,
        *,
        top_n: int | None = None,
        callbacks: Callbacks | None = None,
    ) -> list[Document]:
        """As `compress_documents`, with a `top_n` for this call."""
        if not documents:
            return []
        with traced(query, callbacks) as run:
            result = self._client.rerank(
                query, self._texts(documents), top_n=top_n or self.top_n, score_threshold=self.score_threshold
            )
            return run.ended_with(self._in_order(documents, result))

    async def arerank_documents(
        self,
        documents: Sequence[Document],
        query: str,
        *,
        top_n: int | None = None,
        callbacks: Callbacks | None = None,
    ) -> list[Document]:
        """As `acompress_documents`, with a `top_n` for this call."""
        if not documents:
            return []
        async with atraced(query, callbacks) as run:
            result = await self._client.arerank(
                query, self._texts(documents), top_n=top_n or self.top_n, score_threshold=self.score_threshold
            )
            return run.ended_with(self._in_order(documents, result))

    def rerank(
        self,
        documents: Sequence[str | Document | dict[str, Any]],
        query: str,
        *,
        top_n: int | None = None,
        model: str | None = None,
    ) -> list[RankedIndex]:
        """Positions and scores in order of relevance. A dict is read as JSON-like lines of its keys and values."""
        result = self._client_for(model).rerank(
            query, [self._text(document) for document in documents], top_n=top_n or self.top_n
        )
        return _positions(result)

    async def arerank(
        self,
        documents: Sequence[str | Document | dict[str, Any]],
        query: str,
        *,
        top_n: int | None = None,
        model: str | None = None,
    ) -> list[RankedIndex]:
        """See `rerank`."""
        result = await self._client_for(model).arerank(
            query, [self._text(document) for document in documents], top_n=top_n or self.top_n
        )
        return _positions(result)

    def as_runnable(self) -> Runnable[RerankInput, list[Document]]:
        """From `{"query", "documents"}` to documents, with what a chain wants: batch, retry and fallbacks."""

        def rerank(given: RerankInput) -> list[Document]:
            return self.rerank_documents(given["documents"], given["query"])

        async def arerank(given: RerankInput) -> list[Document]:
            return await self.arerank_documents(given["documents"], given["query"])

        return RunnableLambda(rerank, arerank, name=type(self).__name__)

    def close(self) -> None:
        """Close idle connections. The reranker stays usable."""
        for client in self._clients():
            client.close()

    async def aclose(self) -> None:
        """Close idle connections, the running loop's included."""
        for client in self._clients():
            await client.aclose()

    def _client_for(self, model: str | None) -> SupportsRerank:
        if self.client is not None or model is None or model == self.model:
            return self._client
        if model not in self._clients_by_model:
            self._clients_by_model[model] = RerankClient(**self._client_arguments() | {"model": model})
        return self._clients_by_model[model]

    def _clients(self) -> list[RerankClient]:
        return [
            client for client in (self._client, *self._clients_by_model.values()) if isinstance(client, RerankClient)
        ]

    def _texts(self, documents: Sequence[Document]) -> list[str]:
        return [self._text(document) for document in documents]

    def _text(self, document: str | Document | dict[str, Any]) -> str:
        match document:
            case str():
                return document
            case dict():
                return "\n".join(f"{name}: {value}" for name, value in document.items())
            case _ if self.document_formatter is not None:
                return self.document_formatter(document)
            case _:
                return document.page_content

    def _in_order(self, documents: Sequence[Document], result: RerankResult) -> list[Document]:
        """Copies that keep id, type and class; their metadata is a new dict, so nobody else sees the score."""
        ordered = []
        for ranked in result:
            document = documents[ranked.index]
            # An earlier reranker's score would pass for this one's.
            kept = {name: value for name, value in document.metadata.items() if name != self.score_key}
            mark = {DEGRADED_KEY: True} if result.degraded else {self.score_key: ranked.relevance_score}
            ordered.append(document.model_copy(update={"metadata": kept | mark}))
        return ordered


def _positions(result: RerankResult) -> list[RankedIndex]:
    return [{"index": ranked.index, "relevance_score": ranked.relevance_score} for ranked in result]
