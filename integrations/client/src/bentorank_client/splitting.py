"""Lists longer than the service takes: cut, and merged exactly, since a pair's score does not depend on other pairs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bentorank_client.results import RankedDocument, RerankRequest, RerankResult, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence


def split(request: RerankRequest, size: int) -> list[RerankRequest]:
    """Parts of at most `size` documents, as even as they come, so that none is a straggler."""
    parts = max(1, -(-len(request.documents) // size))
    base, extra = divmod(len(request.documents), parts)
    parted, start = [], 0
    for number in range(parts):
        end = start + base + (number < extra)
        parted.append(replace(request, documents=request.documents[start:end]))
        start = end
    return parted


def merge(results: Sequence[RerankResult], sizes: Sequence[int], top_n: int | None) -> RerankResult:
    """One ranking, best first, ties by index; `sizes` are the numbers of documents in the parts."""
    if len(results) == 1:
        return results[0]
    ranked: list[RankedDocument] = []
    offset = 0
    for result, size in zip(results, sizes, strict=True):
        ranked += [replace(document, index=document.index + offset) for document in result]
        offset += size
    ranked.sort(key=lambda document: (-(document.relevance_score or 0.0), document.index))
    usage = sum((result.usage for result in results), Usage())
    return RerankResult(tuple(ranked[:top_n]), results[0].model, usage, results[0].request_id)
