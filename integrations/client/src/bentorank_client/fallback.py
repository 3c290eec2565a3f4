"""What a caller gets who chose to go on when reranking fails: the order that came in, and the truth about it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bentorank_client.results import RankedDocument, RerankResult

if TYPE_CHECKING:
    from bentorank_client.errors import RerankError
    from bentorank_client.options import ClientOptions
    from bentorank_client.results import RerankRequest

logger = logging.getLogger("bentorank_client")


def passthrough(request: RerankRequest, error: RerankError, options: ClientOptions) -> RerankResult:
    """The documents as they came, cut to `top_n`, with no scores: an invented one would pass for a real one later."""
    count = min(request.top_n or len(request.documents), len(request.documents))
    reason = f"{type(error).__name__}: {error}"
    result = RerankResult(
        tuple(RankedDocument(index, None) for index in range(count)), degraded=True, degraded_reason=reason
    )
    logger.warning("documents are returned as they came, not reranked: %s", reason)
    if options.on_degraded is not None:
        options.on_degraded(result)
    return result
