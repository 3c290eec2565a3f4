"""Lists longer than the service takes: cut, and merged exactly, since a pair's score does not depend on other pairs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bentorank_client.results import RankedDocument, RerankRequest, RerankResult, Timings, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

POSITION = re.compile(r"\bdocuments\[(\d+)\]")


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


def merge(results: Sequence[RerankResult], top_n: int | None) -> RerankResult:
    """One ranking, best first, ties by index; what was spent is added up, what was said is said once."""
    if len(results) == 1:
        return results[0]
    ranked: list[RankedDocument] = [document for result in results for document in result]
    ranked.sort(key=lambda document: (-(document.relevance_score or 0.0), document.index))
    timings = [result.timings_ms for result in results if result.timings_ms is not None]
    return RerankResult(
        tuple(ranked[:top_n]),
        results[0].model,
        sum((result.usage for result in results), Usage()),
        results[0].request_id,
        warnings=tuple(dict.fromkeys(warning for result in results for warning in result.warnings)),
        timings_ms=sum(timings, Timings()) if timings else None,
    )
