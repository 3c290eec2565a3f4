"""A framework's own reranker over texts: passages and scores, best first. Each import waits for its environment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    Ranked = list[tuple[str, float]]


def through_langchain(compressor: Any, query: str, passages: Sequence[str], *, is_async: bool = False) -> Ranked:
    """A document compressor."""
    from langchain_core.documents import Document

    documents = [Document(passage) for passage in passages]
    if is_async:
        ranked = asyncio.run(compressor.acompress_documents(documents, query))
    else:
        ranked = compressor.compress_documents(documents, query)
    return [(document.page_content, document.metadata["relevance_score"]) for document in ranked]


def through_llama_index(postprocessor: Any, query: str, passages: Sequence[str]) -> Ranked:
    """A node postprocessor."""
    from llama_index.core.schema import NodeWithScore, TextNode

    nodes = [NodeWithScore(node=TextNode(text=passage)) for passage in passages]
    return [(node.text, node.score) for node in postprocessor.postprocess_nodes(nodes, query_str=query)]


def through_haystack(ranker: Any, query: str, passages: Sequence[str], *, is_async: bool = False) -> Ranked:
    """A ranker component."""
    from haystack import Document

    documents = [Document(content=passage) for passage in passages]
    if is_async:
        answer = asyncio.run(ranker.run_async(query=query, documents=documents))
    else:
        answer = ranker.run(query=query, documents=documents)
    return [(document.content, document.score) for document in answer["documents"]]
