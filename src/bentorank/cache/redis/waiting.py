"""How long a call is waited for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

Result = TypeVar("Result")

# For an answer that has arrived while this process was busy, which came to the clock before it came to the answer.
_GRACE_S = 0.005


async def answer_within(seconds: float, call: Awaitable[Result]) -> Result:
    """What `call` returns or raises; TimeoutError if it is not there in time.

    Only that: a busy event loop is no fault of the server's, and must not end up as one.
    """
    task = asyncio.ensure_future(call)
    task.add_done_callback(_take_error)
    try:
        for patience_s in (seconds, _GRACE_S):
            await asyncio.wait([task], timeout=patience_s)
            if task.done():
                return task.result()
        raise TimeoutError
    finally:
        task.cancel()


def _take_error(task: asyncio.Future[Any]) -> None:
    """Of a call that was given up, so that asyncio does not log it as forgotten."""
    if not task.cancelled():
        task.exception()
