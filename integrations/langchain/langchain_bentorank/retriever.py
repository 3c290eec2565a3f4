"""A retriever that reranks what another one finds, for those who do not use langchain-classic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.retrievers import BaseRetriever, RetrieverLike
from pydantic import Field

from langchain_bentorank.rerank import BentoRerank

if TYPE_CHECKING:
    from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
    from langchain_core.documents import Document


class BentoRerankRetriever(BaseRetriever):
    """Retrieves many with `base_retriever`, and returns the best by `reranker`.

    `top_n` may be given here, in `invoke(query, top_n=…)`, or be the reranker's own; further arguments of `invoke` are
    the base retriever's.
    """

    base_retriever: RetrieverLike
    reranker: BentoRerank = Field(default_factory=BentoRerank)
    top_n: int | None = Field(default=None, ge=1)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        top_n: int | None = None,
        **kwargs: Any,  # noqa: ANN401 - the base retriever's
    ) -> list[Document]:
        child = run_manager.get_child()
        found = self.base_retriever.invoke(query, {"callbacks": child}, **kwargs)
        return self.reranker.rerank_documents(found, query, top_n=top_n or self.top_n, callbacks=child)

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        top_n: int | None = None,
        **kwargs: Any,  # noqa: ANN401 - the base retriever's
    ) -> list[Document]:
        child = run_manager.get_child()
        found = await self.base_retriever.ainvoke(query, {"callbacks": child}, **kwargs)
        return await self.reranker.arerank_documents(found, query, top_n=top_n or self.top_n, callbacks=child)
