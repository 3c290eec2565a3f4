"""The two clients under one interface."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from bentorank_client import AsyncReranker, Reranker, breaker
from support.three_models import three_models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def several(fleet: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server with three fake models: one that reads all, one that reads little, and one which that one prunes."""
    models = three_models(tmp_path_factory.mktemp("several"), overflow_of_small="chunk")
    return fleet("clients-several", engine="fake", models=models, cache=False, strict_model=True)


@pytest.fixture(autouse=True)
def no_breaker_remembers() -> None:
    """A test may get the port of an earlier one, whose service failed."""
    breaker._breakers.clear()


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
