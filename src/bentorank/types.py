"""The values that travel through a rerank: what was asked, what the engine scores, what is answered.

All are immutable: frozen dataclasses, or named tuples where a request makes hundreds and time counts. Pydantic stays at
the HTTP edge. See docs/design.md for the way of a request.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bentorank.stages import Stage


class ScoreMode(StrEnum):
    """How a logit is presented as `relevance_score`. The order never depends on it."""

    PROBABILITY = "probability"
    LOGIT = "logit"
    MODEL = "model"


class ModelActivation(StrEnum):
    """The activation that a checkpoint was trained with, as its configuration names it."""

    SIGMOID = "sigmoid"
    IDENTITY = "identity"


class Overflow(StrEnum):
    """What happens to a passage that is longer than the model reads beside its query."""

    TRUNCATE = "truncate"
    CHUNK = "chunk"
    ERROR = "error"
    LEAVE_OUT = "leave_out"


class OnDeadline(StrEnum):
    """What a caller wants whose deadline passes before every document is scored."""

    ERROR = "error"
    PARTIAL = "partial"


class OnItemError(StrEnum):
    """What a caller wants where the model cannot score a document: no answer, or one without that score."""

    ERROR = "error"
    SKIP = "skip"


class CacheUse(StrEnum):
    """Whether remembered scores may answer a job, and its own be remembered."""

    USE = "use"
    REFRESH = "refresh"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class LengthPolicy:
    """How a pair is read: how much of a long passage, and to what `instruction`, the model's default unless set.

    Lengths are in tokens of the model, without special tokens.

    `max_tokens_per_doc` cuts every passage first. With `CHUNK` a passage that still does not fit is split into chunks
    that share at least `overlap_tokens`, at most `max_chunks_per_doc` of them, and has the score of its best chunk;
    with `LEAVE_OUT` nothing is read of it.
    `keep_end` cuts from the front. `cut_query` cuts a query of more than half the window where it would be refused.
    """

    overflow: Overflow = Overflow.TRUNCATE
    max_tokens_per_doc: int | None = None
    max_chunks_per_doc: int | None = None
    overlap_tokens: int = 0
    keep_end: bool = False
    cut_query: bool = False
    instruction: str | None = None


class Span(NamedTuple):
    """Part of a passage: code points, from `start` up to and without `end`."""

    start: int
    end: int


class Pair(NamedTuple):
    """One (query, passage) text pair, the unit that a cross-encoder scores."""

    query: str
    passage: str


class EncodedPair(NamedTuple):
    """A pair as model input: token ids with special tokens, cut to the model's window.

    `input_ids` has shape (length,), int64. `token_type_ids` has the same shape, or is None where the
    model has no segments. `truncated` says that the passage lost tokens, `query_truncated` that the query did.
    `span` is where the chunk stands in its passage, if passages were to be split where they do not fit. The first
    `head_tokens` are the same for every passage of the query.
    """

    input_ids: NDArray[np.int64]
    token_type_ids: NDArray[np.int64] | None = None
    truncated: bool = False
    query_truncated: bool = False
    span: Span | None = None
    head_tokens: int = 0

    @property
    def length(self) -> int:
        """Number of tokens, special tokens included."""
        return len(self.input_ids)


class Mark(NamedTuple):
    """What is known of a pair beside its tokens; see EncodedPair."""

    truncated: bool = False
    query_truncated: bool = False
    span: Span | None = None


class Document(NamedTuple):
    """A candidate passage with whatever metadata its owner wants back."""

    content: str
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Cascade:
    """A first stage, by its name, and how many documents the model reads of what that prunes.

    `is_asked` where the request asks for it itself, rather than the service's settings.
    """

    first_stage: str
    keep: int
    is_asked: bool = False


@dataclass(frozen=True, slots=True)
class RerankJob:
    """One query with its candidates, and how the caller wants them back.

    `top_n=None` returns every document. `score_threshold` is compared with the presented score.
    `deadline` is a time on the monotonic clock in seconds, or None. `warnings` are about the request itself, and come
    back before those of the ranking.
    """

    query: str
    documents: Sequence[Document]
    top_n: int | None = None
    score_mode: ScoreMode = ScoreMode.PROBABILITY
    score_threshold: float | None = None
    deadline: float | None = None
    length: LengthPolicy = field(default_factory=LengthPolicy)
    warnings: tuple[str, ...] = ()
    on_deadline: OnDeadline = OnDeadline.ERROR
    on_item_error: OnItemError = OnItemError.ERROR
    cache: CacheUse = CacheUse.USE
    cascade: Cascade | None = None

    @property
    def most_read(self) -> int:
        """How many documents the model reads at most."""
        return len(self.documents) if self.cascade is None else min(self.cascade.keep, len(self.documents))


class ScoredChunk(NamedTuple):
    """One chunk of a passage with its logit. A passage that was not to be split is one chunk without a span."""

    logit: float
    truncated: bool = False
    span: Span | None = None


class ScoredDocument(NamedTuple):
    """What the model said of a passage: at least one chunk. Of an `empty` one it was not asked."""

    chunks: tuple[ScoredChunk, ...]
    query_truncated: bool = False
    empty: bool = False

    @property
    def logit(self) -> float:
        """That of the best chunk."""
        chunks = self.chunks
        return chunks[0].logit if len(chunks) == 1 else max(chunk.logit for chunk in chunks)


# The reason of a document that the first stage of a cascade kept from the model.
PRUNED = "pruned"


class Unscored(NamedTuple):
    """Stands in the place of a document's score; `reason` is the code of the error that kept it from one, or `PRUNED`.

    Documents without a score are ordered by `place`, then as in their request.
    """

    reason: str
    place: int = 0


class RelevantSpan(NamedTuple):
    """A chunk of a ranked document with its score, presented as the job asks."""

    span: Span
    relevance_score: float


class RankedDocument(NamedTuple):
    """A candidate in its place: `index` is its position in the request, `logit` what it was ordered by.

    Where long passages were to be split, `spans` are all its chunks, the best first. A document that is `unscored`, for
    the reason given, has neither logit nor score.
    """

    index: int  # type: ignore[assignment]  # a field of the answer; nobody looks for a value's place
    logit: float | None
    relevance_score: float | None
    truncated: bool = False
    spans: tuple[RelevantSpan, ...] = ()
    unscored: str | None = None

    @property
    def is_pruned(self) -> bool:
        """Whether the first stage of a cascade kept it from the model."""
        return self.unscored == PRUNED


@dataclass(frozen=True, slots=True)
class FirstStageUsage:
    """What a first stage, by its `name`, read, and how many documents it pruned. A chunk is a pair."""

    name: str
    pairs: int
    tokens: int
    pruned_documents: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What a rerank cost. `tokens` counts special tokens and excludes padding and cached pairs; a chunk is a pair.

    `cached_pairs` of the `pairs` were remembered, or computed for another request at that time. The tokens are those of
    all models; what a first stage read by word embeddings alone is not among them.
    """

    tokens: int
    pairs: int
    cached_pairs: int
    truncated_documents: int
    first_stage: FirstStageUsage | None = None

    @property
    def pruned_documents(self) -> int:
        """Documents that the model did not read because of a first stage."""
        return 0 if self.first_stage is None else self.first_stage.pruned_documents


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time of a rerank went, in milliseconds. `queue` is what was spent neither tokenising nor computing.

    `first_stage` is all that a first stage took, None where there was none.
    """

    queue: float
    tokenize: float
    inference: float
    total: float
    first_stage: float | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """The answer to a job: documents in order of relevance, best first.

    `unscored_documents` counts those without a score, by the reason, but for pruned ones. `stages` is where the time
    went, in the order of their ends.
    """

    results: tuple[RankedDocument, ...]
    usage: Usage
    timings_ms: Timings
    query_truncated: bool = False
    empty_documents: int = 0
    unscored_documents: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = field(default=())
    stages: tuple[Stage, ...] = ()

    @property
    def without_pruned(self) -> Ranking:
        """The same without the documents that a first stage kept from the model."""
        if not self.usage.pruned_documents:
            return self
        return replace(self, results=tuple(ranked for ranked in self.results if not ranked.is_pruned))


@dataclass(frozen=True, slots=True)
class Scores:
    """The logit of each of some pairs, how many tokens the model read for them, and where the time went."""

    logits: list[float]
    tokens: int
    stages: tuple[Stage, ...]
