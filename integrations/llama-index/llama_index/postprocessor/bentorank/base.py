"""The node postprocessor: retrieved nodes in, the most relevant ones out, best first."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Literal, Self

from bentorank_client import RerankClient, RerankResult, SupportsRerank
from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr, SecretStr, model_validator
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]  # not in its __all__
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from llama_index.postprocessor.bentorank.events import reranking

if TYPE_CHECKING:
    from bentorank_client.options import ClientArguments
    from llama_index.core.schema import BaseNode

DEGRADED_KEY = "rerank_degraded"
RETRIEVAL_SCORE_KEY = "retrieval_score"
USER_AGENT = f"llama-index-postprocessor-bentorank/{version('llama-index-postprocessor-bentorank')}"

dispatcher = get_dispatcher(__name__)


class BentoRerank(BaseNodePostprocessor):
    """Reranks nodes with a bentorank service, or in this process with `client=LocalReranker(…)`.

    The nodes given are not touched. Raises bentorank_client.RerankError when the service fails, unless
    `on_error="passthrough"`, and ValueError without a query.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, validate_assignment=True, protected_namespaces=())

    base_url: str | list[str] | None = None
    """Where the service is; several take turns. Default: BENTORANK_BASE_URL, else http://127.0.0.1:3000."""
    api_key: SecretStr | None = Field(default=None, exclude=True)
    """Default: BENTORANK_API_KEY. Never serialised."""
    model: str | None = None
    top_n: int | None = Field(default=None, ge=1)
    """How many nodes to keep. None keeps all of them, in order of relevance."""
    score_threshold: float | None = None
    """Leave out nodes that score lower."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Until the call ends, retries included."""
    max_attempts: int = Field(default=3, ge=1)
    max_batch_size: int = Field(default=1000, ge=1)
    """Nodes per request; more are split and merged exactly."""
    max_concurrency: int = Field(default=4, ge=1)
    on_error: Literal["raise", "passthrough"] = "raise"
    """`passthrough` goes on with the nodes as they came, with the scores they came with, marked `rerank_degraded`."""
    metadata_mode: MetadataMode = MetadataMode.EMBED
    """Which metadata the model reads with the text."""
    keep_retrieval_score: bool = False
    """Keep the score that a node came with in its metadata, where no model reads it."""
    client: SupportsRerank | None = Field(default=None, exclude=True, repr=False)
    """Used in place of a client made from the fields above."""

    _client: SupportsRerank = PrivateAttr()

    @classmethod
    def class_name(cls) -> str:
        """The name in serialised pipelines."""
        return "BentoRerank"

    @model_validator(mode="after")
    def _make_client(self) -> Self:
        # Also after an assignment. It opens no connection yet.
        self._client = self.client or RerankClient(**self._client_arguments())
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

    def close(self) -> None:
        """Close idle connections. The postprocessor stays usable."""
        if isinstance(self._client, RerankClient):
            self._client.close()

    async def aclose(self) -> None:
        """Close idle connections, the running loop's included."""
        if isinstance(self._client, RerankClient):
            await self._client.aclose()

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query_of(query_bundle)
        if not nodes:
            return []
        with reranking(self, nodes, query) as outcome:
            result = self._client.rerank(
                query.query_str, self._texts(nodes), top_n=self.top_n, score_threshold=self.score_threshold
            )
            return outcome.is_now(self._in_order(nodes, result))

    # The base class opens a span for methods that it declares abstract, which this one is not.
    @dispatcher.span
    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query_of(query_bundle)
        if not nodes:
            return []
        with reranking(self, nodes, query) as outcome:
            result = await self._client.arerank(
                query.query_str, self._texts(nodes), top_n=self.top_n, score_threshold=self.score_threshold
            )
            return outcome.is_now(self._in_order(nodes, result))

    def _texts(self, nodes: list[NodeWithScore]) -> list[str]:
        return [node.node.get_content(metadata_mode=self.metadata_mode) for node in nodes]

    def _in_order(self, nodes: list[NodeWithScore], result: RerankResult) -> list[NodeWithScore]:
        ordered = []
        for ranked in result:
            given = nodes[ranked.index]
            notes: dict[str, object] = {DEGRADED_KEY: True} if result.degraded else {}
            if self.keep_retrieval_score and not result.degraded:
                notes[RETRIEVAL_SCORE_KEY] = given.score
            node = _with_notes(given.node, notes) if notes else given.node
            score = given.score if result.degraded else ranked.relevance_score
            ordered.append(NodeWithScore(node=node, score=score))
        return ordered


def _query_of(query_bundle: QueryBundle | None) -> QueryBundle:
    if query_bundle is None:
        raise ValueError("Missing query bundle in extra info.")  # the text that LlamaIndex's other rerankers have
    return query_bundle


def _with_notes(node: BaseNode, notes: dict[str, object]) -> BaseNode:
    """A copy of the node with notes in its metadata that neither an embedding, nor a reranker, nor an LLM reads."""
    keys = list(notes)
    return node.model_copy(
        update={
            "metadata": node.metadata | notes,
            "excluded_embed_metadata_keys": [*node.excluded_embed_metadata_keys, *keys],
            "excluded_llm_metadata_keys": [*node.excluded_llm_metadata_keys, *keys],
        }
    )
