"""What a dialect is: a body that it reads, and how it says a ranking."""

from __future__ import annotations

import math
import time
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from bentorank.cascade.first_stage import DEFAULT_KEEP, NO_FIRST_STAGE
from bentorank.columns import contents_of
from bentorank.errors import NoFirstStageError
from bentorank.types import Cascade, LengthPolicy, Overflow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bentorank.http.dialects.limits import RequestLimits
    from bentorank.types import Document, Ranking, RerankJob

Body = TypeVar("Body", bound=BaseModel)

# Cohere bills a query with up to so many documents as one unit.
DOCUMENTS_PER_SEARCH_UNIT = 100

# A sentence or two: what stands on the border of two chunks is whole in one of them.
DEFAULT_OVERLAP_TOKENS = 32


@dataclass(frozen=True, slots=True)
class JobRules:
    """What the service lays down for every request, whatever its dialect."""

    limits: RequestLimits
    overflow: Overflow = Overflow.TRUNCATE
    cut_query: bool = False
    first_stage: str | None = None
    keep: int = DEFAULT_KEEP

    def of_model(self, overflow: Overflow | None, first_stage: str | None, keep: int | None) -> JobRules:
        """With what one model's own settings say in place of the service's."""
        if overflow is None and first_stage is None and keep is None:
            return self
        return replace(
            self,
            overflow=overflow or self.overflow,
            first_stage=first_stage or self.first_stage,
            keep=keep or self.keep,
        )

    def length(  # noqa: PLR0913 - by name, as requests have them
        self,
        overflow: Overflow | None = None,
        *,
        overlap_tokens: int | None = None,
        max_tokens_per_doc: int | None = None,
        max_chunks_per_doc: int | None = None,
        keep_end: bool = False,
        instruction: str | None = None,
    ) -> LengthPolicy:
        """The policy for long passages: the request's where it says one, else the service's."""
        return LengthPolicy(
            overflow=overflow or self.overflow,
            max_tokens_per_doc=max_tokens_per_doc,
            max_chunks_per_doc=max_chunks_per_doc,
            overlap_tokens=DEFAULT_OVERLAP_TOKENS if overlap_tokens is None else overlap_tokens,
            keep_end=keep_end,
            cut_query=self.cut_query,
            instruction=instruction or None,
        )

    def cascade(
        self, first_stage: str | None = None, keep: int | None = None, *, top_n: int | None, field_prefix: str = ""
    ) -> Cascade | None:
        """The first stage: the request's where it names one, else the service's. It keeps what is wanted back.

        Raises NoFirstStageError where there is nothing to `keep` from.
        """
        name = first_stage or self.first_stage
        if name is None or name == NO_FIRST_STAGE:
            if keep is None:
                return None
            raise NoFirstStageError(
                f"{field_prefix}keep: there is no first stage to keep documents of; send first_stage too",
                field=f"{field_prefix}keep",
            )
        is_asked = first_stage is not None or keep is not None
        return Cascade(name, max(keep or self.keep, top_n or 0), is_asked)


@dataclass(frozen=True, slots=True)
class Answer:
    """What every answer carries beside the ranking."""

    model: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))  # noqa: TID251 - a date, no duration


@dataclass(frozen=True, slots=True)
class Dialect(Generic[Body]):
    """One API. `to_job` raises InvalidRequestError or PayloadTooLargeError naming the field as the caller wrote it."""

    name: str
    body: type[Body]
    response: Any  # the type of what `to_response` makes, for the documentation
    documents_field: str
    to_job: Callable[[Body, JobRules, float], RerankJob]
    to_response: Callable[[Body, RerankJob, Ranking, Answer], object]
    # Whether an answer has the documents that a first stage pruned. Elsewhere a score is a number, and they have none.
    tells_pruned: Callable[[RerankJob], bool] = lambda _job: False


class TokenUsage(BaseModel):
    """What the rerank cost, as most dialects write it; `token_usage` makes it."""

    model_config = ConfigDict(extra="forbid")

    prompt_tokens: int
    completion_tokens: int = Field(description="Always 0: strict clients want it.")
    total_tokens: int


class RankedText(BaseModel):
    """One document in its place, as a bare text; `ranked_texts` makes them."""

    model_config = ConfigDict(extra="forbid")

    index: int = Field(ge=0)
    relevance_score: float | None = Field(description="Null for a document without a score.")
    document: str | None = Field(None, description="Absent unless asked for.")


def ranked_texts(ranking: Ranking, documents: Sequence[Document], *, with_text: bool) -> list[dict[str, Any]]:
    """`RankedText` of every document, best first."""
    contents = contents_of(documents)
    return [
        {"index": ranked.index, "relevance_score": ranked.relevance_score}
        | ({"document": contents[ranked.index]} if with_text else {})
        for ranked in ranking.results
    ]


def overflow_of(*, truncates: bool | None) -> Overflow | None:
    """What a field like `truncate` asks for: a cut, a refusal, or nothing."""
    if truncates is None:
        return None
    return Overflow.TRUNCATE if truncates else Overflow.ERROR


def search_units(documents: int) -> int:
    """As Cohere counts them."""
    return math.ceil(documents / DOCUMENTS_PER_SEARCH_UNIT)


def token_usage(tokens: int) -> dict[str, int]:
    """`TokenUsage`: what was generated is nothing, so that the total is what was read."""
    return {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
