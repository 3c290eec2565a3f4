"""From logits to a ranking: empty documents, best chunk, order, presented score, threshold, cut. Pure."""

from __future__ import annotations

import math
import unicodedata
from typing import TYPE_CHECKING

from bentorank.columns import WholeDocuments
from bentorank.types import ModelActivation, RankedDocument, RelevantSpan, ScoredDocument, ScoreMode, Unscored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bentorank.types import RerankJob, ScoredChunk

# What stands for the logit of a document without text, below that of any with some. It is finite: JSON can write it,
# its probability is 0, the list descends, and a client that merges parts of a split list by score merges exactly.
EMPTY_LOGIT = -3.4028234663852886e38  # the lowest float32

# Separators, controls and format characters, zero-width ones among them.
_INVISIBLE_CATEGORIES = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
# Format characters that a reader sees, as signs around the letters that follow: Arabic number signs and their like.
_VISIBLE_FORMATS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
# Others that show nothing: fillers, the empty Braille pattern, what stands for a character that could not be read.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180f\u2065\u2800\u3164\uffa0\ufffc\ufffd")
# Variation selectors, Mongolian ones too, and what Unicode keeps free for more of their kind.
_INVISIBLE_RANGES = (range(0x180B, 0x180E), range(0xFE00, 0xFE10), range(0xFFF0, 0xFFF9), range(0xE0000, 0xE1000))
_GLANCE_CHARS = 64


def is_empty(text: str) -> bool:
    """Whether a reader would see nothing in it."""
    first = text[:1]
    if first.isascii() and first.isalnum():
        return False
    # Most texts show something at once; of one that does not, each character is looked up once.
    return all(map(_is_invisible, text[:_GLANCE_CHARS])) and all(map(_is_invisible, set(text)))


def _is_invisible(character: str) -> bool:
    if unicodedata.category(character) in _INVISIBLE_CATEGORIES:
        return character not in _VISIBLE_FORMATS
    return character in _INVISIBLE or any(ord(character) in characters for characters in _INVISIBLE_RANGES)


def rank(
    documents: Sequence[ScoredDocument | Unscored], job: RerankJob, activation: ModelActivation
) -> tuple[RankedDocument, ...]:
    """Order the documents of `job` by the logit of their best chunk, ties by their place in the request, then present,
    filter and cut.

    The order is taken before any activation: a sigmoid saturates and would tie the best documents. What is unscored
    comes last, pruned documents after all others; no threshold lets it pass.
    """
    logits = _logits(documents)
    order = sorted(logits, key=logits.__getitem__, reverse=True)
    threshold = job.score_threshold
    if threshold is not None:
        order = [index for index in order if present(logits[index], job.score_mode, activation) >= threshold]
    results = _ranked(order[: job.top_n], logits, documents, job, activation)
    if threshold is None and len(logits) < len(documents):
        results.extend(_unscored(documents))
    return tuple(results[: job.top_n])


def _logits(documents: Sequence[ScoredDocument | Unscored]) -> dict[int, float]:
    """Of those that have one, by their places."""
    if isinstance(documents, WholeDocuments):
        return dict(enumerate(documents.logits))
    return {index: document.logit for index, document in enumerate(documents) if isinstance(document, ScoredDocument)}


def _ranked(
    order: Sequence[int],
    logits: Mapping[int, float],
    documents: Sequence[ScoredDocument | Unscored],
    job: RerankJob,
    activation: ModelActivation,
) -> list[RankedDocument]:
    """Those at the places of `order`, which have logits."""
    mode = job.score_mode
    present_one = sigmoid if _wants_sigmoid(mode, activation) else float
    if isinstance(documents, WholeDocuments):
        marks = documents.marks
        return [
            RankedDocument(index, logit := logits[index], present_one(logit), marks[index].truncated) for index in order
        ]
    scored = [(index, document) for index in order if isinstance(document := documents[index], ScoredDocument)]
    return [
        RankedDocument(
            index,
            logits[index],
            present_one(logits[index]),
            document.chunks[0].truncated,
            _spans(document.chunks, mode, activation),
        )
        for index, document in scored
    ]


def _unscored(documents: Sequence[ScoredDocument | Unscored]) -> Iterator[RankedDocument]:
    unscored = [(index, document) for index, document in enumerate(documents) if isinstance(document, Unscored)]
    for index, document in sorted(unscored, key=lambda placed: placed[1].place):
        yield RankedDocument(index, None, None, unscored=document.reason)


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
    return sigmoid(logit) if _wants_sigmoid(mode, activation) else logit


def _wants_sigmoid(mode: ScoreMode, activation: ModelActivation) -> bool:
    return mode is ScoreMode.PROBABILITY or (mode is ScoreMode.MODEL and activation is ModelActivation.SIGMOID)


def sigmoid(logit: float) -> float:
    """1 / (1 + e^-logit) in float64, without overflow for any finite logit."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    grown = math.exp(logit)
    return grown / (1.0 + grown)
