"""A run for each rerank: LangChain leaves none for a document compressor, so traces would not show that it happened."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from langchain_core.runnables.config import (
    ensure_config,
    get_async_callback_manager_for_config,
    get_callback_manager_for_config,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from langchain_core.callbacks import Callbacks
    from langchain_core.documents import Document
    from langchain_core.runnables import RunnableConfig

NAME = "BentoRerank"


class Run:
    """What the traced work came to."""

    documents: list[Document]

    def ended_with(self, documents: list[Document]) -> list[Document]:
        """Remember the documents for the trace."""
        self.documents = documents
        return documents


@contextmanager
def traced(query: str, callbacks: Callbacks) -> Iterator[Run]:
    """A retriever run under the caller's, which ends with the block: with its documents, or with its error."""
    manager = get_callback_manager_for_config(_config(callbacks)).on_retriever_start(None, query, name=NAME)
    run = Run()
    try:
        yield run
    except BaseException as error:
        manager.on_retriever_error(error)
        raise
    manager.on_retriever_end(run.documents)


@asynccontextmanager
async def atraced(query: str, callbacks: Callbacks) -> AsyncIterator[Run]:
    """As `traced`, for handlers that are coroutines too."""
    config = _config(callbacks)
    manager = await get_async_callback_manager_for_config(config).on_retriever_start(None, query, name=NAME)
    run = Run()
    try:
        yield run
    except BaseException as error:
        await manager.on_retriever_error(error)
        raise
    await manager.on_retriever_end(run.documents)


def _config(callbacks: Callbacks) -> RunnableConfig:
    """The callbacks given, or those of the runnable that calls."""
    return ensure_config(None if callbacks is None else {"callbacks": callbacks})
