"""What goes into a rerank and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar, overload

from bentorank_client.arguments import COUNT, READING_RULES, REQUEST_RULES, Document, Reading, check

if TYPE_CHECKING:
    from collections.abc import Iterator

# What frameworks' components write into the metadata of a document beside the score, where there is such to say.
DEGRADED_KEY = "rerank_degraded"
UNSCORED_KEY = "rerank_unscored"
TRUNCATED_KEY = "rerank_truncated"
SPAN_KEY = "rerank_span"
WARNINGS_KEY = "rerank_warnings"
NOTE_KEYS = frozenset({DEGRADED_KEY, UNSCORED_KEY, TRUNCATED_KEY, SPAN_KEY, WARNINGS_KEY})

# Why a document has no score that a first stage kept from the model: the service's own word.
PRUNED = "pruned"


@dataclass(frozen=True, slots=True)
class RerankRequest(Reading):
    """A query and its candidates; what is not set is as the client has it. Raises ValueError that names the field."""

    query: str = field(repr=False)
    documents: Sequence[Document] = field(repr=False)
    top_n: int | None = None
    """How many to return; all unless set."""
    score_threshold: float | None = None
    """Leave out documents that score lower."""
    timeout_s: float | None = field(default=None, kw_only=True)
    """Until the call ends. Nothing is left of it at 0 or less, so that a caller may hand on what remains of its own."""

    def __post_init__(self) -> None:
        documents = self.documents
        if isinstance(documents, str | bytes | Mapping):
            raise ValueError("documents: must be a list of texts or mappings, not one of them")  # noqa: TRY004 - like all bad arguments
        if not isinstance(documents, list | tuple):
            try:
                documents = tuple(documents)
            except TypeError:
                raise ValueError("documents: must be a list of texts or mappings") from None
            object.__setattr__(self, "documents", documents)
        if not isinstance(self.query, str):
            raise ValueError("query: must be a text")  # noqa: TRY004 - like all bad arguments
        check(self, REQUEST_RULES)
        if self.top_n is not None and not COUNT[0](self.top_n):
            raise ValueError("top_n: must be a whole number of at least 1, or None for all")

    def settled(self, defaults: Reading) -> Self:
        """The same, read as `defaults` have it where it does not say itself."""
        unsaid = {name: getattr(defaults, name) for name in READING_RULES if getattr(self, name) is None}
        return replace(self, **unsaid)


class Span(NamedTuple):
    """Part of a document, as of a Python text: `text[span.start : span.end]`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RankedDocument:
    """A document in its place. `index` is its position in the call."""

    index: int
    relevance_score: float | None
    """A probability unless another score mode was asked for; minus infinity where it is `unscored`; None in a degraded
    result, where nothing was scored."""
    truncated: bool = False
    """Whether the model read only a part of the document."""
    span: Span | None = None
    """Its best chunk, which has this score, where long documents were to be split; else None."""
    unscored: str | None = None
    """Why it has no score and stands behind those that have one: `deadline_exceeded`, `scoring_failed`,
    `non_finite_score`, `document_too_long`, if `on_deadline` or `on_item_error` allows it; `pruned` by a first stage. A
    newer service may know more reasons."""

    @property
    def score(self) -> float | None:
        """`relevance_score` for where no infinity may stand, such as JSON: None where there is no score."""
        return None if self.unscored else self.relevance_score

    @property
    def pruned(self) -> bool:
        """Whether a first stage kept it from the model."""
        return self.unscored == PRUNED


@dataclass(frozen=True, slots=True)
class FirstStageUsage:
    """What a first stage read, by its `name`, and how many documents it kept from the model. A chunk is a pair."""

    name: str
    pairs: int = 0
    tokens: int = 0
    pruned_documents: int = 0

    def __add__(self, other: FirstStageUsage) -> FirstStageUsage:
        return FirstStageUsage(
            self.name,
            self.pairs + other.pairs,
            self.tokens + other.tokens,
            self.pruned_documents + other.pruned_documents,
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """What the rerank cost the service. `total_tokens` are those of all models, one that was a first stage included."""

    total_tokens: int = 0
    pairs: int = 0
    cached_pairs: int = 0
    truncated_documents: int = 0
    first_stage: FirstStageUsage | None = None
    """None where none was needed."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.total_tokens + other.total_tokens,
            self.pairs + other.pairs,
            self.cached_pairs + other.cached_pairs,
            self.truncated_documents + other.truncated_documents,
            _sum(self.first_stage, other.first_stage),
        )


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the service's time went, in milliseconds; of a list that was split the sum over its requests."""

    queue: float = 0.0
    tokenize: float = 0.0
    inference: float = 0.0
    total: float = 0.0
    first_stage: float | None = None
    """All that a first stage took; None where none was needed."""

    def __add__(self, other: Timings) -> Timings:
        return Timings(
            self.queue + other.queue,
            self.tokenize + other.tokenize,
            self.inference + other.inference,
            self.total + other.total,
            _sum(self.first_stage, other.first_stage),
        )


Spent = TypeVar("Spent", float, FirstStageUsage)


def _sum(one: Spent | None, other: Spent | None) -> Spent | None:
    """Of what there is."""
    if one is None or other is None:
        return other if one is None else one
    return one + other


@dataclass(frozen=True, slots=True)
class RerankResult:
    """Documents in order of relevance, best first; a sequence of them."""

    results: tuple[RankedDocument, ...]
    model: str | None = None
    usage: Usage = Usage()
    request_id: str | None = None
    degraded: bool = False
    """Whether the service failed and this is the order that came in, without scores."""
    degraded_reason: str | None = None
    warnings: tuple[str, ...] = ()
    """What the caller may not have expected, such as documents that were cut."""
    timings_ms: Timings | None = field(default=None, compare=False)
    """None where the service did not say."""

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[RankedDocument]:
        return iter(self.results)

    @overload
    def __getitem__(self, place: int) -> RankedDocument: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[RankedDocument, ...]: ...
    def __getitem__(self, place: int | slice) -> RankedDocument | tuple[RankedDocument, ...]:
        return self.results[place]

    def notes(self, ranked: RankedDocument) -> dict[str, object]:
        """What there is to say of one of these documents beside its score, by the keys above; plain JSON."""
        notes: dict[str, object] = {}
        if self.degraded:
            notes[DEGRADED_KEY] = True
        if ranked.unscored:
            notes[UNSCORED_KEY] = ranked.unscored
        if ranked.truncated:
            notes[TRUNCATED_KEY] = True
        if ranked.span is not None:
            notes[SPAN_KEY] = ranked.span._asdict()
        if self.warnings:
            notes[WARNINGS_KEY] = list(self.warnings)
        return notes
