"""Asynchronous HTTP. Each event loop has its own pool: a connection belongs to the loop that opened it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpcore2
import httpx2

from bentorank_client.calls import KEEPALIVE_EXPIRY_S, MAX_CONNECTIONS, timeout_error
from bentorank_client.connection_errors import BROKEN, connection_error
from bentorank_client.response_bodies import SizedBody
from bentorank_client.trust_store import trust_store
from bentorank_client.wire import HttpResponse

if TYPE_CHECKING:
    from bentorank_client.calls import Attempt
    from bentorank_client.options import ClientOptions
    from bentorank_client.wire import HttpRequest


class AsyncTransport:
    """Sockets are opened on first use. Pools of loops that are closed are dropped."""

    def __init__(self, options: ClientOptions, http_client: httpx2.AsyncClient | None = None) -> None:
        self._options = options
        self._given = http_client
        # A weak dictionary would keep every entry: the pool refers to its loop.
        self._pools: dict[int, tuple[asyncio.AbstractEventLoop, httpx2.AsyncClient]] = {}

    async def send(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        """Raises APIConnectionError or APITimeoutError."""
        try:
            async with asyncio.timeout(attempt.time_left_s):
                return await self._send(request, attempt)
        except (httpx2.ConnectTimeout, httpcore2.ConnectTimeout) as error:
            raise connection_error(error) from error
        except (TimeoutError, httpx2.TimeoutException):
            raise timeout_error(self._options) from None
        except BROKEN as error:
            raise connection_error(error) from error

    async def _send(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        timeout = httpx2.Timeout(None, connect=min(self._options.connect_timeout_s, attempt.time_left_s))
        async with self._client().stream(
            request.method,
            attempt.base_url + request.path,
            content=request.body,
            headers=attempt.headers,
            timeout=timeout,
        ) as response:
            body = SizedBody()
            async for part in response.aiter_bytes():
                body.add(part)
        return HttpResponse(response.status_code, {k.lower(): v for k, v in response.headers.items()}, body.content)

    def _client(self) -> httpx2.AsyncClient:
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        entry = self._pools.get(id(loop))
        # A new loop may have the address of an old one.
        if entry is None or entry[0] is not loop:
            self._pools = {key: kept for key, kept in self._pools.items() if not kept[0].is_closed()}
            entry = self._pools[id(loop)] = (loop, _open_pool())
        return entry[1]

    async def aclose(self) -> None:
        """Close the running loop's connections; a given client is its giver's to close."""
        entry = self._pools.pop(id(asyncio.get_running_loop()), None)
        if entry is not None:
            await entry[1].aclose()


def _open_pool() -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEPALIVE_EXPIRY_S)
    # Like the blocking client, it goes to the service itself and through no proxy that the environment names.
    return httpx2.AsyncClient(limits=limits, trust_env=False, verify=trust_store())
