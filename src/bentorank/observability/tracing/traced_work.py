"""What a trace tells of the work on one list of documents: numbers, names of ours and the operator's, and times."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from bentorank.errors import BentorankError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from bentorank.observability.tracing.request_trace import RequestTrace
    from bentorank.stages import Stage
    from bentorank.types import Ranking, Scores


class TracedWork:
    """Work on a list of documents, as a context: it is added to the request's trace at its end, if there is one.

    `index` is the list's place where a request has several. It `began` and `ended` on the monotonic clock in seconds.
    """

    __slots__ = ("_trace", "attributes", "began", "ended", "error", "index", "stages")

    def __init__(
        self, trace: RequestTrace | None, operation: str, documents: int, model: str, index: int | None = None
    ) -> None:
        """`model` is the name that answers carry. OpenTelemetry's `gen_ai` has no `operation` for reranking yet."""
        self._trace = trace if trace is not None and trace.is_recording else None
        self.index = index
        self.began = self.ended = time.monotonic()
        self.error: BentorankError | None = None
        self.stages: Sequence[Stage] = ()
        self.attributes: dict[str, str | int] = {
            "gen_ai.operation.name": operation,
            "gen_ai.response.model": model,
            "bentorank.documents": documents,
        }

    def ranked(self, ranking: Ranking) -> None:
        """It came to this ranking."""
        if self._trace is not None:
            usage = ranking.usage
            self.stages = ranking.stages
            self.attributes |= {
                "gen_ai.usage.input_tokens": usage.tokens,
                "bentorank.pairs": usage.pairs,
                "bentorank.cached_pairs": usage.cached_pairs,
                "bentorank.truncated_documents": usage.truncated_documents,
                "bentorank.unscored_documents": sum(ranking.unscored_documents.values()),
                "bentorank.pruned_documents": usage.pruned_documents,
            }

    def scored(self, scores: Scores) -> None:
        """It came to these scores."""
        if self._trace is not None:
            self.stages = scores.stages
            self.attributes["gen_ai.usage.input_tokens"] = scores.tokens

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._trace is None:
            return
        self.ended = time.monotonic()
        if isinstance(error, BentorankError):
            self.error, self.stages = error, error.stages
        self._trace.add(self)
