"""Servers that misbehave, and the two clients under one interface."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from bentorank_client import AsyncReranker, Reranker
from support.scripted_server import ScriptedServer, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedServer]]:
    """A function that starts a server with the given script."""
    servers: list[ScriptedServer] = []

    def start(*script: Step) -> ScriptedServer:
        servers.append(ScriptedServer(*script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


class AsyncInBlockingClothes:
    """AsyncReranker, each call in a new event loop, so that one test serves both clients."""

    def __init__(self, **options: Any) -> None:
        self.reranker = AsyncReranker(**options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            async with self.reranker:
                return await getattr(self.reranker, name)(*args, **kwargs)

        return lambda *args, **kwargs: asyncio.run(call(*args, **kwargs))

    def close(self) -> None:
        pass


@pytest.fixture(params=[Reranker, AsyncInBlockingClothes], ids=["sync", "async"])
def make_client(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """A function that makes a client, blocking in one run of the test and asynchronous in the other."""
    clients: list[Any] = []

    def make(**options: Any) -> Any:
        clients.append(request.param(**options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
