"""Lists longer than the service takes: cut, and merged exactly, since a pair's score does not depend on other pairs.

What a first stage prunes does: each part keeps as many as the whole would, so none is lost that the whole had kept.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from bentorank_client.errors import APIStatusError, APITimeoutError, RerankError
from bentorank_client.results import RankedDocument, RerankRequest, RerankResult, Timings, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

POSITION = re.compile(r"\bdocuments\[(\d+)\]")
# The service's own word for it.
UNSCORED_IN_TIME = "deadline_exceeded"
GATEWAY_TIMEOUT = 504

Outcome: TypeAlias = RerankResult | RerankError
"""What became of a part: an error only where it came too late, and the caller takes what is there by the deadline."""


@dataclass(frozen=True, slots=True)
class Part:
    """The documents of a call from number `first` on. `is_all` where the call was not split."""

    request: RerankRequest
    first: int = 0
    is_all: bool = True

    def in_whole(self, said: str) -> str:
        """What the service says of the documents of this part, said of the caller's."""
        if self.is_all:
            return said
        shifted = POSITION.sub(lambda found: f"documents[{self.first + int(found[1])}]", said)
        if POSITION.search(said) or "document" not in said:
            return shifted
        return f"documents[{self.first}:{self.first + len(self.request.documents)}]: {said}"

    def may_miss(self, error: RerankError, time_left_s: float) -> bool:
        """Whether the call goes on without this part: it came too late, and the other parts will do."""
        if self.is_all or self.request.on_deadline != "partial":
            return False
        if isinstance(error, APIStatusError):  # refused, perhaps until it would be too late
            return error.status == GATEWAY_TIMEOUT or (error.retry_after_s or 0.0) > time_left_s
        return isinstance(error, APITimeoutError)

    def unscored(self, error: RerankError) -> RerankResult:
        """Its documents as they came, behind those that have a score; none where a threshold asks for one."""
        wanted = self.request.documents if self.request.score_threshold is None else ()
        return RerankResult(
            tuple(
                RankedDocument(self.first + number, -math.inf, unscored=UNSCORED_IN_TIME)
                for number in range(len(wanted))
            ),
            warnings=(f"documents[{self.first}:{self.first + len(self.request.documents)}]: not scored: {error}",),
        )


def split(request: RerankRequest, size: int) -> list[Part]:
    """Parts of at most `size` documents, as even as they come, so that none is a straggler."""
    parts = max(1, -(-len(request.documents) // size))
    if parts == 1:
        return [Part(request)]
    base, extra = divmod(len(request.documents), parts)
    parted, start = [], 0
    for number in range(parts):
        end = start + base + (number < extra)
        parted.append(Part(replace(request, documents=request.documents[start:end]), start, is_all=False))
        start = end
    return parted


def merge(parts: Sequence[Part], outcomes: Sequence[Outcome], top_n: int | None) -> RerankResult:
    """One ranking, best first, ties by index, then what is unscored, then what was pruned; what was spent is added up,
    what was said is said once. Raises the error if all parts ended with one.
    """
    answered = [outcome for outcome in outcomes if isinstance(outcome, RerankResult)]
    if not answered:
        raise next(outcome for outcome in outcomes if isinstance(outcome, RerankError))
    if len(outcomes) == 1:
        return answered[0]
    results = [_result(part, outcome) for part, outcome in zip(parts, outcomes, strict=True)]
    placed = [(place, document) for result in results for place, document in enumerate(result)]
    ranked = [document for _, document in sorted(placed, key=_order)]
    timings = [result.timings_ms for result in results if result.timings_ms is not None]
    return RerankResult(
        tuple(ranked[:top_n]),
        answered[0].model,
        sum((result.usage for result in results), Usage()),
        answered[0].request_id,
        warnings=tuple(dict.fromkeys(warning for result in results for warning in result.warnings)),
        timings_ms=sum(timings, Timings()) if timings else None,
    )


def _order(placed: tuple[int, RankedDocument]) -> tuple[bool, float, int, int]:
    """What is unscored has minus infinity, which no score is. First stages of two parts only tell places, no scores."""
    place, document = placed
    return document.pruned, -(document.relevance_score or 0.0), place if document.pruned else 0, document.index


def _result(part: Part, outcome: Outcome) -> RerankResult:
    return outcome if isinstance(outcome, RerankResult) else part.unscored(outcome)
