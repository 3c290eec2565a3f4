"""What the access log tells of the work for a request: numbers, and names of ours and the operator's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentorank.stages import StageName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.types import Ranking, Scores


def asked_work(dialect: str, model: str, documents: int) -> dict[str, object]:
    """What is known before the work is done, and all that is known where it fails."""
    return {"dialect": dialect, "model": model, "documents": documents}


def done_work(rankings: Sequence[Ranking]) -> dict[str, object]:
    """What came of all lists of a request. Times are those of the list that took longest: they go side by side."""
    longest = max((ranking.timings_ms for ranking in rankings), key=lambda timings: timings.total)
    return {
        "pairs": sum(ranking.usage.pairs for ranking in rankings),
        "cached_pairs": sum(ranking.usage.cached_pairs for ranking in rankings),
        "tokens": sum(ranking.usage.tokens for ranking in rankings),
        "truncated_documents": sum(ranking.usage.truncated_documents for ranking in rankings),
        "unscored_documents": sum(sum(ranking.unscored_documents.values()) for ranking in rankings),
        "pruned_documents": sum(ranking.usage.pruned_documents for ranking in rankings),
        "queue_ms": longest.queue,
        "tokenize_ms": longest.tokenize,
        "inference_ms": longest.inference,
    }


def scored_work(scores: Scores) -> dict[str, object]:
    """What came of unrelated pairs."""
    names = (StageName.QUEUE, StageName.TOKENIZE, StageName.INFERENCE)
    took_s = {name: sum(stage.ended - stage.started for stage in scores.stages if stage.name is name) for name in names}
    return {
        "pairs": len(scores.logits),
        "tokens": scores.tokens,
        **{f"{name}_ms": round(seconds * 1e3, 3) for name, seconds in took_s.items()},
    }
