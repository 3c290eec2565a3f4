"""Scores passages with an engine in this process and keeps the best, each with the sentence that speaks for it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bentorank.columns import TextPairs
from bentorank.engines.encoded_pairs import EncodedChunks
from bentorank.evaluation.scorers import forward_all
from bentorank.ranking import sigmoid
from bentorank.searching.errors import SearchError
from bentorank.types import LengthPolicy, Overflow, Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bentorank.engines.protocol import Engine
    from bentorank.searching.passages import Passage

# Nothing is cut: of a passage longer than the model reads, the best part counts.
POLICY = LengthPolicy(overflow=Overflow.CHUNK, overlap_tokens=32)
# Encoded at a time, which bounds memory and lets the person at the terminal see how far it is.
PASSAGES_AT_A_TIME = 256
# What stands between two sentences, in scripts with spaces and without, or two lines.
BETWEEN_SENTENCES = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n")


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage with its logit. `span` is the part of its text that is most relevant by itself."""

    passage: Passage
    logit: float
    span: Span

    @property
    def score(self) -> float:
        """The probability that goes with the logit."""
        return sigmoid(self.logit)

    @property
    def line(self) -> int:
        """Where the span begins."""
        return self.passage.line + self.passage.text.count("\n", 0, self.span.start)

    @property
    def excerpt(self) -> str:
        """The text of the span."""
        return self.passage.text[self.span.start : self.span.end]


def score_passages(query: str, passages: Sequence[Passage], engine: Engine) -> Iterator[list[Hit]]:
    """Hits in parts, as they are scored. Passages of one text are scored once.

    Raises InvalidRequestError for a query that is too long, SearchError for a score that is no number.
    """
    by_text: dict[str, list[Passage]] = {}
    for passage in passages:
        by_text.setdefault(passage.text, []).append(passage)
    longest_first = sorted(by_text, key=len, reverse=True)  # what will not fit into memory shows at once
    for start in range(0, len(longest_first), PASSAGES_AT_A_TIME):
        texts = longest_first[start : start + PASSAGES_AT_A_TIME]
        scored = zip(texts, best_parts(query, texts, engine), strict=True)
        yield [Hit(passage, logit, span) for text, (logit, span) in scored for passage in by_text[text]]


def best_parts(query: str, texts: Sequence[str], engine: Engine) -> list[tuple[float, Span]]:
    """The logit of each text, and the span that has it: that of its best chunk."""
    encoded = EncodedChunks.of(engine.encode_chunks(TextPairs.of_query(query, list(texts)), POLICY))
    logits = forward_all(engine, encoded.pairs, engine.info.batch_tokens).tolist()
    best = []
    for text, own, marks in zip(texts, encoded.split(logits), encoded.split(encoded.pairs.marks), strict=True):
        scored = [(logit, mark.span or Span(0, len(text))) for logit, mark in zip(own, marks, strict=True)]
        if not all(math.isfinite(logit) for logit, _ in scored):
            raise SearchError("the model gave a score that is no number")
        best.append(max(scored, key=lambda part: part[0]))
    return best


def best_first(
    hits: Sequence[Hit], places: dict[Passage, int], top_n: int | None, threshold: float | None
) -> list[Hit]:
    """By logit, ties in the order of reading; at most `top_n`, none with a score below `threshold`."""
    good = [hit for hit in hits if threshold is None or hit.score >= threshold]
    return sorted(good, key=lambda hit: (-hit.logit, places[hit.passage]))[:top_n]


def with_best_sentences(query: str, hits: Sequence[Hit], engine: Engine) -> list[Hit]:
    """The hits with their spans narrowed to the best sentence of each; those of a single one stay as they are."""
    sentences = [_sentences(hit) for hit in hits]
    texts = [hit.passage.text[start:end] for hit, spans in zip(hits, sentences, strict=True) for start, end in spans]
    logits: list[float] = []
    for start in range(0, len(texts), PASSAGES_AT_A_TIME):
        parts = best_parts(query, texts[start : start + PASSAGES_AT_A_TIME], engine)
        logits.extend(logit for logit, _ in parts)
    remaining = iter(logits)
    narrowed = []
    for hit, spans in zip(hits, sentences, strict=True):
        scored = [(next(remaining), span) for span in spans]
        best = max(scored, key=lambda part: part[0])[1] if scored else hit.span
        narrowed.append(replace(hit, span=best))
    return narrowed


def _sentences(hit: Hit) -> list[Span]:
    """Spans of the sentences inside of the hit's, without the white space around them."""
    text, (begin, end) = hit.passage.text, hit.span
    spans = []
    for between in (*BETWEEN_SENTENCES.finditer(text, begin, end), None):
        sentence = text[begin : between.start() if between else end]
        if stripped := sentence.strip():
            start = begin + len(sentence) - len(sentence.lstrip())
            spans.append(Span(start, start + len(stripped)))
        begin = between.end() if between else end
    return spans
