"""Both clients over one set of options, which is what a framework's component wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Unpack, runtime_checkable

from bentorank_client.async_reranker import AsyncReranker
from bentorank_client.sync_reranker import Reranker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank_client.arguments import Document, RerankArguments
    from bentorank_client.options import ClientArguments, ClientOptions
    from bentorank_client.results import RerankResult


@runtime_checkable
class SupportsRerank(Protocol):
    """Anything that reranks both ways: RerankClient, and bentorank's LocalReranker.

    Frameworks' components pass what is set and leave out the rest.
    """

    def rerank(self, query: str, documents: Sequence[Document], **asked: Unpack[RerankArguments]) -> RerankResult:
        """Blocking."""
        ...

    async def arerank(
        self, query: str, documents: Sequence[Document], **asked: Unpack[RerankArguments]
    ) -> RerankResult:
        """Without blocking the event loop."""
        ...


class RerankClient:
    """`rerank` and `arerank`. Takes the fields of ClientOptions; raises as Reranker does."""

    def __init__(self, **options: Unpack[ClientArguments]) -> None:
        self._sync = Reranker(**options)
        self._async = AsyncReranker(**options)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RerankClient) and self.options == other.options

    def __hash__(self) -> int:
        return hash((type(self), self.options.base_url))

    @property
    def options(self) -> ClientOptions:
        """How this client behaves."""
        return self._sync.options

    def rerank(self, query: str, documents: Sequence[Document], **asked: Unpack[RerankArguments]) -> RerankResult:
        """See Reranker.rerank."""
        return self._sync.rerank(query, documents, **asked)

    async def arerank(
        self, query: str, documents: Sequence[Document], **asked: Unpack[RerankArguments]
    ) -> RerankResult:
        """See AsyncReranker.rerank."""
        return await self._async.rerank(query, documents, **asked)

    def close(self) -> None:
        """Close the blocking client's connections."""
        self._sync.close()

    async def aclose(self) -> None:
        """Close the connections of the running loop, and the blocking client's."""
        await self._async.aclose()
        self._sync.close()
