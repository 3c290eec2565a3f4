"""What a caller gets who chose to go on when reranking fails: the order that came in, and the truth about it.

That is for a service that fails. A call that cannot succeed as the client is set up is raised all the same: a wrong key
would otherwise go unnoticed for ever. What is refused for what is in it goes on, and is logged as an error.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bentorank_client.errors import APIStatusError, BadRequestError
from bentorank_client.results import RankedDocument, RerankResult

if TYPE_CHECKING:
    from bentorank_client.errors import RerankError
    from bentorank_client.options import ClientOptions
    from bentorank_client.results import RerankRequest

# Key, address, path, model, method, kind of body: no other query or document would help. So would a redirect be.
SET_UP_STATUSES = frozenset({401, 403, 404, 405, 407, 415, *range(300, 400)})
# The same of a first stage that the service does not have, which it says with 400.
SET_UP_CODES = frozenset({"no_first_stage"})

logger = logging.getLogger("bentorank_client")


def fall_back(request: RerankRequest, error: RerankError, options: ClientOptions) -> RerankResult:
    """The documents as they came, cut to `top_n`, with no scores: an invented one would pass for a real one later.

    Raises `error` unless the client is to go on after such a one.
    """
    if options.on_error == "raise" or _is_of_set_up(error):
        raise error
    count = min(request.top_n or len(request.documents), len(request.documents))
    reason = f"{type(error).__name__}: {error}"
    result = RerankResult(
        tuple(RankedDocument(index, None) for index in range(count)), degraded=True, degraded_reason=reason
    )
    level = logging.ERROR if isinstance(error, BadRequestError) else logging.WARNING
    logger.log(level, "documents are returned as they came, not reranked: %s", reason)
    if options.on_degraded is not None:
        options.on_degraded(result)
    return result


def _is_of_set_up(error: RerankError) -> bool:
    """Whether every other call of this client would be refused as well."""
    return isinstance(error, APIStatusError) and (error.status in SET_UP_STATUSES or error.code in SET_UP_CODES)
