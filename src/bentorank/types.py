"""The values that travel through a rerank: what was asked, what the engine scores, what is answered.

All are frozen and slotted; pydantic stays at the HTTP edge. See docs/design.md for the way of a request.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


class ScoreMode(StrEnum):
    """How a logit is presented as `relevance_score`. The order never depends on it."""

    PROBABILITY = "probability"
    LOGIT = "logit"
    MODEL = "model"


class ModelActivation(StrEnum):
    """The activation that a checkpoint was trained with, as its configuration names it."""

    SIGMOID = "sigmoid"
    IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class Pair:
    """One (query, passage) text pair, the unit that a cross-encoder scores."""

    query: str
    passage: str


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """A pair as model input: token ids with special tokens, cut to the model's window.

    `input_ids` has shape (length,), int64. `token_type_ids` has the same shape, or is None where the
    model has no segments. `truncated` says that the passage lost tokens.
    """

    input_ids: NDArray[np.int64]
    token_type_ids: NDArray[np.int64] | None = None
    truncated: bool = False

    @property
    def length(self) -> int:
        """Number of tokens, special tokens included."""
        return len(self.input_ids)


@dataclass(frozen=True, slots=True)
class Document:
    """A candidate passage with whatever metadata its owner wants back."""

    content: str
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RerankJob:
    """One query with its candidates, and how the caller wants them back.

    `top_n=None` returns every document. `score_threshold` is compared with the presented score.
    `deadline` is a time on the monotonic clock in seconds, or None.
    """

    query: str
    documents: tuple[Document, ...]
    top_n: int | None = None
    score_mode: ScoreMode = ScoreMode.PROBABILITY
    score_threshold: float | None = None
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class RankedDocument:
    """A candidate in its place: `index` is its position in the request, `logit` what it was ordered by."""

    index: int
    logit: float
    relevance_score: float
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What a rerank cost. `tokens` counts special tokens and excludes padding and cached pairs."""

    tokens: int
    pairs: int
    cached_pairs: int
    truncated_documents: int


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time of a rerank went, in milliseconds. `queue` is what was spent neither tokenising nor computing."""

    queue: float
    tokenize: float
    inference: float
    total: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """The answer to a job: documents in order of relevance, best first."""

    results: tuple[RankedDocument, ...]
    usage: Usage
    timings_ms: Timings
    warnings: tuple[str, ...] = field(default=())
