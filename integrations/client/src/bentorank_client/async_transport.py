"""Asynchronous HTTP. Each event loop has its own pool: a connection belongs to the loop that opened it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx2

from bentorank_client.calls import KEEPALIVE_EXPIRY_S, MAX_CONNECTIONS
from bentorank_client.connection_errors import sending
from bentorank_client.response_bodies import SizedBody
from bentorank_client.trust_store import trust_store

if TYPE_CHECKING:
    from bentorank_client.calls import Attempt
    from bentorank_client.wire import HttpRequest, HttpResponse


class AsyncTransport:
    """Sockets are opened on first use. Pools of loops that are closed are dropped."""

    def __init__(self, http_client: httpx2.AsyncClient | None = None) -> None:
        self._given = http_client
        # A weak dictionary would keep every entry: the pool refers to its loop.
        self._pools: dict[int, tuple[asyncio.AbstractEventLoop, httpx2.AsyncClient]] = {}

    async def send(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        """Raises APIConnectionError or APITimeoutError."""
        with sending(attempt):
            async with asyncio.timeout(attempt.deadline.left_s()):
                return await self._send(request, attempt)

    async def _send(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        timeout = httpx2.Timeout(None, connect=attempt.connect_timeout_s)
        url = attempt.base_url + request.path
        async with self._client().stream(
            request.method, url, content=request.body, headers=attempt.headers, timeout=timeout
        ) as response:
            body = SizedBody(attempt)
            async for part in response.aiter_bytes():
                body.add(part)
        return body.response(response)

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
