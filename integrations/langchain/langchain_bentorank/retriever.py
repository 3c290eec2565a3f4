"""A retriever that reranks what another one finds, for those who do not use langchain-classic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from bentorank_client.silent_errors import without_inputs
from langchain_core.retrievers import BaseRetriever, RetrieverLike
from pydantic import ConfigDict, Field, ModelWrapValidatorHandler, model_validator

from langchain_bentorank.rerank import BentoRerank

if TYPE_CHECKING:
    from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
    from langchain_core.documents import Document


class BentoRerankRetriever(BaseRetriever):
    """Retrieves many with `base_retriever`, and returns the best by `reranker`.

    `top_n` may be given here, in `invoke(query, top_n=…)`, or be the reranker's own; further arguments of `invoke` are
    the base retriever's.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    base_retriever: RetrieverLike
    reranker: BentoRerank = Field(default_factory=BentoRerank)
    top_n: int | None = Field(default=None, ge=1)

    @model_validator(mode="wrap")
    @classmethod
    def _silent(cls, given: object, read: ModelWrapValidatorHandler[Self]) -> Self:
        return without_inputs(given, read)

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
