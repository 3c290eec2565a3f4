"""How some pairs are to be read, what became of them, and what that cost."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeGuard

from bentorank.columns import WholeDocuments
from bentorank.engines.encoded_pairs import EncodedChunks
from bentorank.errors import BentorankError, DeadlineExceededError, DocumentLeftOutError
from bentorank.ranking import EMPTY_LOGIT
from bentorank.stages import Stage, StageName
from bentorank.types import PRUNED, CacheUse, LengthPolicy, ScoredChunk, ScoredDocument, Timings, Unscored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bentorank.engines.encoded_pairs import EncodedPairs
    from bentorank.scheduling import Outcome
    from bentorank.types import Mark

# A document that was read, or what kept it from a score.
ReadDocument = ScoredDocument | BentorankError


@dataclass(frozen=True, slots=True)
class Terms:
    """How much of some pairs is read, until when, whether part of them will do, and whether cached scores will.

    `bounded` ones may have no more tokens than a request may. `let_in` ones are the further work of a caller whom the
    scheduler has let in.
    """

    length: LengthPolicy = field(default_factory=LengthPolicy)
    deadline: float | None = None
    partial: bool = False
    cache: CacheUse = CacheUse.USE
    bounded: bool = True
    let_in: bool = False

    @property
    def needed_by(self) -> float | None:
        """When all must be scored, if all must."""
        return None if self.partial else self.deadline

    @property
    def remaining_s(self) -> float | None:
        """Until the deadline."""
        return None if self.deadline is None else self.deadline - time.monotonic()

    @property
    def of_first_stage(self) -> Terms:
        """Those of what comes before: it is of use only whole, and where part of the answer will do takes half the
        time."""
        if not self.partial:
            return self
        remaining_s = self.remaining_s
        deadline = None if remaining_s is None else time.monotonic() + remaining_s / 2
        return replace(self, deadline=deadline, partial=False)

    def check_deadline(self) -> None:
        """Raises DeadlineExceededError if it has passed, and all is needed: what is remembered is no use either."""
        if self.needed_by is not None and self.needed_by <= time.monotonic():
            raise DeadlineExceededError("the deadline passed before the documents were read")


@dataclass(slots=True)
class Work:
    """What a request has cost so far. `scored_pairs` are those that the model scored for it."""

    started: float = field(default_factory=time.monotonic)
    tokens: int = 0
    scored_pairs: int = 0
    tokenize_s: float = 0.0
    inference_s: float = 0.0
    first_stage_s: float | None = None
    stages: list[Stage] = field(default_factory=list)

    def ended(self, name: StageName, started: float, **counts: int) -> None:
        """Remember a stage that ends now."""
        self.stages.append(Stage(name, started, time.monotonic(), counts))

    def tokenized(self, started: float, documents: int) -> None:
        """Remember that documents were tokenised until now."""
        self.ended(StageName.TOKENIZE, started, documents=documents)
        self.tokenize_s += time.monotonic() - started

    def sifted(self, started: float, documents: int) -> None:
        """Remember that a first stage worked on documents until now."""
        self.ended(StageName.FIRST_STAGE, started, documents=documents)
        self.first_stage_s = time.monotonic() - started

    @property
    def timings(self) -> Timings:
        """Until now."""
        total_s = time.monotonic() - self.started
        queue_s = max(0.0, total_s - self.tokenize_s - self.inference_s - (self.first_stage_s or 0.0))
        return Timings(
            queue=round(queue_s * 1e3, 3),
            tokenize=round(self.tokenize_s * 1e3, 3),
            inference=round(self.inference_s * 1e3, 3),
            total=round(total_s * 1e3, 3),
            first_stage=None if self.first_stage_s is None else round(self.first_stage_s * 1e3, 3),
        )


@dataclass(frozen=True, slots=True)
class EncodedDocuments:
    """The chunks of each document, and which documents are `empty`.

    Those are not scored: whatever a model says of nothing is no relevance. One that is to be left out has no chunks.
    """

    chunks: EncodedChunks
    empty: list[bool]

    @classmethod
    def joined(cls, parts: Sequence[EncodedDocuments]) -> EncodedDocuments:
        """Some documents, one after the other. There is one part at least."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            EncodedChunks.joined([part.chunks for part in parts]), [empty for part in parts for empty in part.empty]
        )

    @property
    def to_score(self) -> EncodedPairs:
        """The chunks of all documents but the empty ones."""
        pairs = self.chunks.pairs
        if True not in self.empty:
            return pairs
        places = self.chunks.split(range(len(pairs)))
        return pairs.at([place for own, empty in zip(places, self.empty, strict=True) if not empty for place in own])

    def with_outcomes(self, scored: list[Outcome]) -> Sequence[ReadDocument]:
        """Each document with what became of its chunks: `scored` has that of `to_score`.

        One of whose chunks some failed has the first of their errors.
        """
        marks = self.chunks.pairs.marks
        # So are nearly all requests.
        if self.chunks.counts is None and True not in self.empty and _are_whole(marks) and _are_logits(scored):
            return WholeDocuments(scored, marks)
        outcomes = iter(scored)
        return [
            # One that is to be left out has no chunks, whatever is in it.
            _empty(own) if empty and own else _read(own, outcomes)
            for own, empty in zip(self.chunks.split(marks), self.empty, strict=True)
        ]


def _are_whole(marks: Sequence[Mark]) -> bool:
    """Whether these documents, with a chunk each, were not to be split."""
    return all(mark.span is None for mark in marks[:1])


def _are_logits(scored: list[Outcome]) -> TypeGuard[list[float]]:
    return all(isinstance(outcome, float) for outcome in scored)


def _empty(chunks: Sequence[Mark]) -> ScoredDocument:
    scored = [ScoredChunk(EMPTY_LOGIT, chunk.truncated, chunk.span) for chunk in chunks]
    return ScoredDocument(tuple(scored), chunks[0].query_truncated, empty=True)


def _read(chunks: Sequence[Mark], outcomes: Iterator[Outcome]) -> ReadDocument:
    """A document whose chunks have the next of the outcomes."""
    if not chunks:
        return DocumentLeftOutError("the document does not fit into what the model reads")
    scored: list[ScoredChunk] = []
    error: BentorankError | None = None
    for chunk, outcome in zip(chunks, outcomes, strict=False):
        if isinstance(outcome, float):
            scored.append(ScoredChunk(outcome, chunk.truncated, chunk.span))
        elif error is None:
            error = outcome
    return ScoredDocument(tuple(scored), chunks[0].query_truncated) if error is None else error


def settled(read: Sequence[ReadDocument]) -> Sequence[ScoredDocument | Unscored]:
    """The documents as they are ranked: one without a score has the code of its error."""
    if isinstance(read, WholeDocuments):
        return read
    return [document if isinstance(document, ScoredDocument) else Unscored(document.code) for document in read]


def scored_pairs(read: Sequence[ReadDocument]) -> int:
    """How many pairs the model scored for them."""
    if isinstance(read, WholeDocuments):
        return len(read)
    return sum(len(document.chunks) for document in read if isinstance(document, ScoredDocument) and not document.empty)


@dataclass(frozen=True, slots=True)
class Count:
    """What the documents of an answer came to; `unscored` by the reason, but for pruned ones."""

    documents: int
    pairs: int
    truncated: int = 0
    empty: int = 0
    query_truncated: bool = False
    unscored: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, documents: Sequence[ScoredDocument | Unscored]) -> Count:
        """Count them."""
        if isinstance(documents, WholeDocuments):
            marks = documents.marks
            truncated = sum([mark.truncated for mark in marks])
            return cls(
                len(marks), len(marks), truncated, query_truncated=any(mark.query_truncated for mark in marks[:1])
            )
        scored = [document for document in documents if isinstance(document, ScoredDocument)]
        unscored = Counter(document.reason for document in documents if isinstance(document, Unscored))
        del unscored[PRUNED]
        return cls(
            documents=len(documents),
            pairs=scored_pairs(scored),
            truncated=sum(document.chunks[0].truncated for document in scored),
            empty=sum(document.empty for document in scored),
            query_truncated=any(document.query_truncated for document in scored[:1]),
            unscored=unscored,
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the caller may not have expected; every cut is one."""
        total, warnings = self.documents, []
        if self.query_truncated:
            warnings.append("the query was longer than half of what the model reads and was cut to that")
        if self.truncated:
            warnings.append(f"{self.truncated} of {total} documents were longer than was to be read and were cut")
        if self.empty:
            warnings.append(f"{self.empty} of {total} documents were empty and stand last, unread")
        for reason, count in self.unscored.items():
            warnings.append(f"{count} of {total} documents have no score and stand last: {reason}")
        return tuple(warnings)
