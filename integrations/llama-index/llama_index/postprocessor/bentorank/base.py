"""The node postprocessor: retrieved nodes in, the most relevant ones out, best first."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

from bentorank_client.results import NOTE_KEYS
from bentorank_client.service_fields import KeyField, ServiceFields
from llama_index.core.bridge.pydantic import Field, model_validator
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from llama_index.postprocessor.bentorank.events import dispatcher, reranking

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from bentorank_client import RerankResult
    from llama_index.core.schema import BaseNode
    from llama_index.postprocessor.bentorank.events import Outcome

RETRIEVAL_SCORE_KEY = "retrieval_score"
DEFAULT_MODEL = "bentorank"


class BentoRerank(ServiceFields, BaseNodePostprocessor):
    """Reranks nodes with a bentorank service, or in this process with `client=LocalReranker(…)`.

    The nodes given are not touched. Those that come back have `rerank_truncated`, `rerank_span`, `rerank_unscored`,
    `rerank_warnings` or `rerank_degraded` in their metadata where there is such a thing to say, which no model reads.
    Raises bentorank_client.RerankError when the service fails, unless `on_error="passthrough"`, and ValueError without
    a query.
    """

    api_key: KeyField = Field(default=None, exclude=True)
    """A text or a SecretStr; kept as a SecretStr, and never serialised. Default: BENTORANK_API_KEY."""
    metadata_mode: MetadataMode = MetadataMode.EMBED
    """Which metadata the model reads with the text."""
    keep_retrieval_score: bool = False
    """Keep the score that a node came with in its metadata, where no model reads it."""

    user_agent: ClassVar[str] = f"llama-index-postprocessor-bentorank/{version('llama-index-postprocessor-bentorank')}"

    @classmethod
    def class_name(cls) -> str:
        """The name in serialised pipelines."""
        return "BentoRerank"

    @model_validator(mode="before")
    @classmethod
    def _without_class_name(cls, given: Any) -> Any:  # noqa: ANN401 - as pydantic has it
        """Dumps carry it, and it is no field."""
        return {name: given[name] for name in given if name != "class_name"} if isinstance(given, dict) else given

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query_of(query_bundle)
        if not nodes:
            return []
        with self._observed(nodes, query) as outcome:
            result = self._client.rerank(query.query_str, self._texts(nodes), **self._asked())
            return outcome.is_now(self._in_order(nodes, result))

    # The base class opens a span for methods that it declares abstract, which this one is not.
    @dispatcher.span
    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query_of(query_bundle)
        if not nodes:
            return []
        with self._observed(nodes, query) as outcome:
            result = await self._client.arerank(query.query_str, self._texts(nodes), **self._asked())
            return outcome.is_now(self._in_order(nodes, result))

    def _texts(self, nodes: list[NodeWithScore]) -> list[str]:
        return [node.node.get_content(metadata_mode=self.metadata_mode) for node in nodes]

    def _observed(self, nodes: list[NodeWithScore], query: QueryBundle) -> AbstractContextManager[Outcome]:
        model, top_n = self.model or DEFAULT_MODEL, self.top_n or len(nodes)
        return reranking(nodes, query, model=model, top_n=top_n, callback_manager=self.callback_manager)

    def _in_order(self, nodes: list[NodeWithScore], result: RerankResult) -> list[NodeWithScore]:
        ordered = []
        for ranked in result:
            given = nodes[ranked.index]
            notes = result.notes(ranked)
            if self.keep_retrieval_score and not result.degraded:
                notes[RETRIEVAL_SCORE_KEY] = given.score
            score = given.score if result.degraded else ranked.score
            ordered.append(NodeWithScore(node=_with_notes(given.node, notes), score=score))
        return ordered


def _query_of(query_bundle: QueryBundle | None) -> QueryBundle:
    if query_bundle is None:
        raise ValueError("Missing query bundle in extra info.")  # the text that LlamaIndex's other rerankers have
    return query_bundle


def _with_notes(node: BaseNode, notes: dict[str, object]) -> BaseNode:
    """A copy of the node with these notes, and no earlier reranker's, where neither embedding nor LLM reads them."""
    stale = NOTE_KEYS & node.metadata.keys()
    if not notes and not stale:
        return node
    kept = {name: value for name, value in node.metadata.items() if name not in stale}
    return node.model_copy(
        update={
            "metadata": kept | notes,
            "excluded_embed_metadata_keys": list(dict.fromkeys([*node.excluded_embed_metadata_keys, *notes])),
            "excluded_llm_metadata_keys": list(dict.fromkeys([*node.excluded_llm_metadata_keys, *notes])),
        }
    )
