"""The document compressor: retrieved documents in, the most relevant ones out, best first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar, NotRequired, TypedDict, Unpack

from bentorank_client.results import NOTE_KEYS
from bentorank_client.service_fields import ASKED_FIELDS, ServiceFields
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import Field

from langchain_bentorank.tracing import atraced, traced

if TYPE_CHECKING:
    from bentorank_client import RankedDocument, RerankArguments, RerankResult
    from langchain_core.callbacks import Callbacks


class RerankInput(TypedDict):
    """What `as_runnable()` takes."""

    query: str
    documents: list[Document]


class RankedIndex(TypedDict):
    """One document in its place, as `rerank()` gives it."""

    index: int
    relevance_score: float | None
    truncated: NotRequired[bool]
    """True where the model read only a part of it."""
    span: NotRequired[dict[str, int]]
    """`start` and `end` of the best chunk, where long documents were to be split."""
    unscored: NotRequired[str]
    """Why it has no score and stands last, where the call allows it."""


class BentoRerank(ServiceFields, BaseDocumentCompressor):
    """Reranks documents with a bentorank service, or in this process with `client=LocalReranker(…)`.

    Documents come back as copies with `relevance_score` in their metadata, and `rerank_truncated`, `rerank_span`,
    `rerank_unscored`, `rerank_warnings` or `rerank_degraded` where there is such a thing to say; those given are not
    touched. Raises bentorank_client.RerankError when the service fails, unless `on_error="passthrough"`. Keyword
    arguments of a call, those of bentorank_client.RerankRequest, take the place of the fields.
    """

    rank_fields: Sequence[str] | None = None
    """The fields of a dict that `rerank` reads, a line each; all of them unless set."""
    score_key: str = "relevance_score"
    """The metadata key of the score."""
    document_formatter: Callable[[Document], str] | None = Field(default=None, exclude=True)
    """The text that the model reads of a document; its `page_content` unless set."""

    asked_fields: ClassVar[tuple[str, ...]] = (*ASKED_FIELDS, "rank_fields")
    user_agent: ClassVar[str] = f"langchain-bentorank/{version('langchain-bentorank')}"

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
        callbacks: Callbacks | None = None,
        **asked: Unpack[RerankArguments],
    ) -> list[Document]:
        """As `compress_documents`, with arguments for this call."""
        if not documents:
            return []
        with traced(query, callbacks) as run:
            result = self._client.rerank(query, self._texts(documents), **self._asked(asked))
            return run.ended_with(self._in_order(documents, result))

    async def arerank_documents(
        self,
        documents: Sequence[Document],
        query: str,
        *,
        callbacks: Callbacks | None = None,
        **asked: Unpack[RerankArguments],
    ) -> list[Document]:
        """As `acompress_documents`, with arguments for this call."""
        if not documents:
            return []
        async with atraced(query, callbacks) as run:
            result = await self._client.arerank(query, self._texts(documents), **self._asked(asked))
            return run.ended_with(self._in_order(documents, result))

    def rank(
        self, documents: Sequence[str | Document | Mapping[str, Any]], query: str, **asked: Unpack[RerankArguments]
    ) -> RerankResult:
        """Positions with all that the service said: scores, spans, warnings, what it cost and where the time went.

        Of a mapping the `rank_fields` are read, a line each; without them all its fields, with their names.
        """
        wanted = self._asked(asked)
        return self._client.rerank(query, self._readable(documents, wanted), **wanted)

    async def arank(
        self, documents: Sequence[str | Document | Mapping[str, Any]], query: str, **asked: Unpack[RerankArguments]
    ) -> RerankResult:
        """See `rank`."""
        wanted = self._asked(asked)
        return await self._client.arerank(query, self._readable(documents, wanted), **wanted)

    def rerank(
        self, documents: Sequence[str | Document | Mapping[str, Any]], query: str, **asked: Unpack[RerankArguments]
    ) -> list[RankedIndex]:
        """Positions and scores in order of relevance; see `rank`."""
        return _positions(self.rank(documents, query, **asked))

    async def arerank(
        self, documents: Sequence[str | Document | Mapping[str, Any]], query: str, **asked: Unpack[RerankArguments]
    ) -> list[RankedIndex]:
        """See `rerank`."""
        return _positions(await self.arank(documents, query, **asked))

    def as_runnable(self) -> Runnable[RerankInput, list[Document]]:
        """From `{"query", "documents"}` to documents, with what a chain wants: batch, retry and fallbacks."""

        def rerank(given: RerankInput) -> list[Document]:
            return self.rerank_documents(given["documents"], given["query"])

        async def arerank(given: RerankInput) -> list[Document]:
            return await self.arerank_documents(given["documents"], given["query"])

        return RunnableLambda(rerank, arerank, name=type(self).__name__)

    def _texts(self, documents: Sequence[Document]) -> list[str]:
        return [self._text(document) for document in documents]

    def _text(self, document: str | Document | Mapping[str, Any]) -> str:
        match document:
            case str():
                return document
            case Mapping():
                return "\n".join(f"{name}: {value}" for name, value in document.items())
            case _ if self.document_formatter is not None:
                return self.document_formatter(document)
            case _:
                return document.page_content

    def _readable(
        self, documents: Sequence[str | Document | Mapping[str, Any]], wanted: RerankArguments
    ) -> list[str | Mapping[str, Any]]:
        """What the client takes; with `rank_fields` mappings are its to read."""
        reads_fields = bool(wanted.get("rank_fields"))
        return [
            document if isinstance(document, Mapping) and reads_fields else self._text(document)
            for document in documents
        ]

    def _in_order(self, documents: Sequence[Document], result: RerankResult) -> list[Document]:
        """Copies that keep id, type and class; their metadata is a new dict, so nobody else sees the score."""
        # An earlier reranker's score and notes would pass for this one's.
        stale = NOTE_KEYS | {self.score_key}
        ordered = []
        for ranked in result:
            document = documents[ranked.index]
            kept = {name: value for name, value in document.metadata.items() if name not in stale}
            score = {} if ranked.score is None else {self.score_key: ranked.score}
            ordered.append(document.model_copy(update={"metadata": kept | score | result.notes(ranked)}))
        return ordered


def _positions(result: RerankResult) -> list[RankedIndex]:
    return [_position(ranked) for ranked in result]


def _position(ranked: RankedDocument) -> RankedIndex:
    position: RankedIndex = {"index": ranked.index, "relevance_score": ranked.score}
    if ranked.unscored:
        position["unscored"] = ranked.unscored
    if ranked.truncated:
        position["truncated"] = True
    if ranked.span is not None:
        position["span"] = ranked.span._asdict()
    return position
