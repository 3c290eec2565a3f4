"""The asynchronous client."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Self, TypeVar, Unpack

from tenacity import AsyncRetrying

from bentorank_client.async_transport import AsyncTransport
from bentorank_client.calls import Call, Deadline, Servers
from bentorank_client.errors import RerankError
from bentorank_client.fallback import fall_back
from bentorank_client.options import ClientOptions, made_with
from bentorank_client.results import RerankRequest, RerankResult
from bentorank_client.service_info import HEALTH_REQUEST, SERVICE_REQUEST, ModelInfo, read_health, read_models
from bentorank_client.splitting import merge, split
from bentorank_client.wire import read_ranking, rerank_request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from types import TracebackType

    import httpx2

    from bentorank_client.arguments import Document, RerankArguments
    from bentorank_client.options import ClientArguments
    from bentorank_client.splitting import Outcome, Part
    from bentorank_client.wire import HttpRequest, HttpResponse

T = TypeVar("T")
Item = TypeVar("Item")


class AsyncReranker:
    """Orders documents by their relevance to a query. Usable from several event loops; survives pickle and copy.

    Takes the fields of ClientOptions. Raises RerankError and its kinds, ValueError for an argument that cannot be.
    """

    def __init__(self, *, http_client: httpx2.AsyncClient | None = None, **options: Unpack[ClientArguments]) -> None:
        self.options = ClientOptions(**options)
        self._servers = Servers(self.options)
        self._transport = AsyncTransport(http_client)

    async def rerank(self, query: str, documents: Sequence[Document], **asked: Unpack[RerankArguments]) -> RerankResult:
        """The documents that are most relevant, best first; all of them without `top_n`. See RerankRequest."""
        return await self._rerank(RerankRequest(query, documents, **asked), time.monotonic())

    async def rerank_batch(self, requests: Sequence[RerankRequest]) -> list[RerankResult]:
        """A result for each request, in their order; their time runs from now."""
        started = time.monotonic()
        return await self._concurrently(lambda request: self._rerank(request, started), requests)

    async def health(self) -> bool:
        """Whether the service has a model and takes requests."""
        try:
            return await self._call(HEALTH_REQUEST, self._deadline(), read_health)
        except RerankError:
            return False

    async def models(self) -> tuple[ModelInfo, ...]:
        """What the service has loaded, the model that answers unless a call names one first."""
        return await self._call(SERVICE_REQUEST, self._deadline(), read_models)

    async def aclose(self) -> None:
        """Close the running loop's idle connections. The client stays usable, and opens new ones."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __reduce__(self) -> tuple[object, ...]:
        return made_with, (type(self), self.options)

    async def _rerank(self, request: RerankRequest, started: float) -> RerankResult:
        request = request.settled(self.options)
        if not request.documents:
            return RerankResult((), model=request.model)
        timeout_s = self.options.timeout_s if request.timeout_s is None else request.timeout_s
        deadline = Deadline.after(timeout_s, started)
        # All are written before any is sent, since one may hold what cannot be.
        parts = split(request, self.options.max_batch_size)
        written = [(part, rerank_request(part)) for part in parts]
        try:
            outcomes = await self._concurrently(lambda part: self._rerank_part(*part, deadline), written)
            return merge(parts, outcomes, request.top_n)
        except RerankError as error:
            return fall_back(request, error, self.options)

    async def _rerank_part(self, part: Part, request: HttpRequest, deadline: Deadline) -> Outcome:
        try:
            return await self._call(request, deadline, lambda response: read_ranking(response, part, request.warnings))
        except RerankError as error:
            if part.may_miss(error, deadline.left_s()):
                return error
            raise

    async def _call(self, request: HttpRequest, deadline: Deadline, read: Callable[[HttpResponse], T]) -> T:
        call = Call(request, self.options, self._servers, deadline)
        # Named, since tenacity would ask a library that need not be there if trio happens to be loaded.
        retrying = AsyncRetrying(sleep=asyncio.sleep, **call.retry_arguments())
        return await retrying(self._attempt, call, read)

    async def _attempt(self, call: Call, read: Callable[[HttpResponse], T]) -> T:
        with call.attempt() as attempt:
            return read(await self._transport.send(call.request, attempt))

    async def _concurrently(self, work: Callable[[Item], Awaitable[T]], items: Sequence[Item]) -> list[T]:
        if len(items) == 1:
            return [await work(items[0])]
        turnstile = asyncio.Semaphore(self.options.max_concurrency)

        async def one(item: Item) -> T:
            async with turnstile:
                return await work(item)

        tasks = [asyncio.create_task(one(item)) for item in items]
        try:
            return await asyncio.gather(*tasks)
        finally:
            # After a failure the others are not wanted any more.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _deadline(self) -> Deadline:
        return Deadline.after(self.options.timeout_s, time.monotonic())
