"""From the HTTP library's exceptions to ours; theirs may quote URLs, so only their kind is repeated."""

from __future__ import annotations

import httpcore2
import httpx2

from bentorank_client.errors import APIConnectionError

BROKEN = (httpx2.TransportError, httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.ConnectTimeout)


def connection_error(error: Exception) -> APIConnectionError:
    """The service was not reached, or was lost on the way."""
    if isinstance(
        error, httpx2.ConnectError | httpx2.ConnectTimeout | httpcore2.ConnectError | httpcore2.ConnectTimeout
    ):
        return APIConnectionError("the reranking service cannot be reached; see that it runs and check base_url")
    return APIConnectionError(f"the connection to the reranking service was lost ({type(error).__name__})")
