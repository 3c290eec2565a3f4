"""From logits to a ranking: best chunk, order, presented score, threshold, cut. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bentorank.types import ModelActivation, RankedDocument, RelevantSpan, ScoreMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.types import RerankJob, ScoredChunk


def rank(
    documents: Sequence[Sequence[ScoredChunk]], job: RerankJob, activation: ModelActivation
) -> tuple[RankedDocument, ...]:
    """Order the documents of `job` by the logit of their best chunk, ties by their place in the request, then present,
    filter and cut.

    The order is taken before any activation: a sigmoid saturates and would tie the best documents.
    """
    logits = [max(chunk.logit for chunk in chunks) if len(chunks) > 1 else chunks[0].logit for chunks in documents]
    order = sorted(range(len(logits)), key=logits.__getitem__, reverse=True)
    ranked = (
        RankedDocument(
            index,
            logits[index],
            present(logits[index], job.score_mode, activation),
            documents[index][0].truncated,
            _spans(documents[index], job.score_mode, activation),
        )
        for index in order
    )
    threshold = job.score_threshold
    kept = [document for document in ranked if threshold is None or document.relevance_score >= threshold]
    return tuple(kept[: job.top_n])


def _spans(chunks: Sequence[ScoredChunk], mode: ScoreMode, activation: ModelActivation) -> tuple[RelevantSpan, ...]:
    """The best chunk first, ties in the order of the text. None of a passage that was not to be split."""
    if chunks[0].span is None:
        return ()
    best_first = sorted(chunks, key=lambda chunk: -chunk.logit)
    return tuple(
        RelevantSpan(chunk.span, present(chunk.logit, mode, activation))
        for chunk in best_first
        if chunk.span is not None
    )


def present(logit: float, mode: ScoreMode, activation: ModelActivation) -> float:
    """The `relevance_score` of a logit: its sigmoid, itself, or what the checkpoint's own activation makes of it."""
    wants_sigmoid = mode is ScoreMode.PROBABILITY or (mode is ScoreMode.MODEL and activation is ModelActivation.SIGMOID)
    return sigmoid(logit) if wants_sigmoid else logit


def sigmoid(logit: float) -> float:
    """1 / (1 + e^-logit) in float64, without overflow for any finite logit."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    grown = math.exp(logit)
    return grown / (1.0 + grown)
