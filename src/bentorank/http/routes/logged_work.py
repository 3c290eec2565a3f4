"""What the access log tells of the work for a request: numbers, and names of ours and the operator's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.types import Ranking


def logged_work(dialect: str, model: str, rankings: Sequence[Ranking]) -> dict[str, object]:
    """Of all lists of a request together; times are those of the list that took longest, since they go side by side."""
    longest = max((ranking.timings_ms for ranking in rankings), key=lambda timings: timings.total)
    return {
        "dialect": dialect,
        "model": model,
        "documents": sum(len(ranking.results) for ranking in rankings),
        "pairs": sum(ranking.usage.pairs for ranking in rankings),
        "cached_pairs": sum(ranking.usage.cached_pairs for ranking in rankings),
        "tokens": sum(ranking.usage.tokens for ranking in rankings),
        "truncated_documents": sum(ranking.usage.truncated_documents for ranking in rankings),
        "unscored_documents": sum(sum(ranking.unscored_documents.values()) for ranking in rankings),
        "queue_ms": longest.queue,
        "tokenize_ms": longest.tokenize,
        "inference_ms": longest.inference,
    }
