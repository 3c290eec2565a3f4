"""Work for a caller who has left is cancelled, so that it never reaches the device."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.requests import Request

T = TypeVar("T")


class ClientDisconnectedError(Exception):
    """The caller closed the connection before the answer; nobody is left to read one."""


async def run_while_connected(request: Request, work: Coroutine[object, object, T]) -> T:
    """Await `work`, cancelling it if the caller leaves. The request's body must have been read.

    Raises ClientDisconnectedError, or whatever `work` raises.
    """
    task = asyncio.ensure_future(work)
    watcher = asyncio.ensure_future(_until_disconnected(request))
    try:
        await asyncio.wait({task, watcher}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnectedError
        return task.result()
    finally:
        task.cancel()
        watcher.cancel()


async def _until_disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
