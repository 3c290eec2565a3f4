"""What LlamaIndex's observers are told of a rerank: a start and an end, in pairs, whatever happens in between."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]  # not in its __all__
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llama_index.core.callbacks import CallbackManager
    from llama_index.core.schema import NodeWithScore, QueryBundle

dispatcher = get_dispatcher(__name__)


class Outcome:
    """The nodes that a rerank ended with; none if it failed."""

    nodes: list[NodeWithScore]

    def __init__(self) -> None:
        self.nodes = []

    def is_now(self, nodes: list[NodeWithScore]) -> list[NodeWithScore]:
        """Remember the nodes for the observers."""
        self.nodes = nodes
        return nodes


@contextmanager
def reranking(
    nodes: list[NodeWithScore], query: QueryBundle, *, model: str, top_n: int, callback_manager: CallbackManager
) -> Iterator[Outcome]:
    """Tell both kinds of observers, instrumentation and the older callbacks, about the block."""
    outcome = Outcome()
    payload: dict[str, Any] = {
        EventPayload.NODES: nodes,
        EventPayload.MODEL_NAME: model,
        EventPayload.QUERY_STR: query.query_str,
        EventPayload.TOP_K: top_n,
    }
    dispatcher.event(ReRankStartEvent(query=query, nodes=nodes, top_n=top_n, model_name=model))
    try:
        with callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
            yield outcome
            event.on_end(payload={EventPayload.NODES: outcome.nodes})
    finally:
        dispatcher.event(ReRankEndEvent(nodes=outcome.nodes))
