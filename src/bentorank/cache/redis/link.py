"""The way to the server from one event loop: every call is short or given up, and after failures there are none."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, TypeVar

from bentorank.cache.redis.client import CALL_TIMEOUT_S, CONNECT_TIMEOUT_S, make_client
from bentorank.cache.redis.cool_down import FAILURES, CoolDown
from bentorank.cache.redis.layout import MORE, PREFIX
from bentorank.cache.redis.waiting import answer_within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bentorank.cache.redis.client import Client

Result = TypeVar("Result")

PROBE_EVERY_S = 5.0
# A process that starts has much to do, and may have missed the answer to its first question.
_SECOND_LOOK_S = 0.5

# As many as begin the cool-down: no more than these wait for a server that stopped answering. Who finds all of them
# waiting waits a little for its turn, which is plenty while the server does answer.
_READS_AT_A_TIME = FAILURES
_TURN_WITHIN_S = 0.01
_CONNECTIONS = _READS_AT_A_TIME + 2  # one to write, one to probe

logger = logging.getLogger(__name__)


class Link:
    """Calls to one server. After failures, only a probe in the background calls it, until it answers."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.get_running_loop()
        self._client = make_client(url, _CONNECTIONS)
        self._cool_down = CoolDown(time.monotonic)
        self._reads = asyncio.Semaphore(_READS_AT_A_TIME)
        self._probing: asyncio.Task[None] | None = None
        self._has_answered = False

    @property
    def is_open(self) -> bool:
        """Whether calls are made at all."""
        return not self._cool_down.is_on

    @property
    def is_up(self) -> bool:
        """Whether the server has answered, and has not failed since."""
        return self._has_answered and self.is_open

    async def start(self) -> None:
        """Connect ahead; without an answer to two questions, begin with the cool-down."""
        answers = await self._answers()
        if not answers:
            await asyncio.sleep(_SECOND_LOOK_S)
            answers = await self._answers()
        if answers:
            self._has_answered = True
        elif self._cool_down.begin():
            self._leave_it_alone("no answer")

    async def read(self, work: Callable[[Client], Awaitable[Result]]) -> Result | None:
        """What `work` gets, or None where it fails or many others wait."""
        if not await self._get_turn():
            return None
        try:
            return await self.call(work)
        finally:
            self._reads.release()

    async def _get_turn(self) -> bool:
        if not self._reads.locked():
            return await self._reads.acquire()
        try:
            async with asyncio.timeout(_TURN_WITHIN_S):
                return await self._reads.acquire()
        except TimeoutError:
            return False

    async def call(self, work: Callable[[Client], Awaitable[Result]]) -> Result | None:
        """What `work` gets, or None where it fails."""
        if not self.is_open:
            return None
        try:
            result = await answer_within(CALL_TIMEOUT_S, work(self._client))
        except Exception as error:  # noqa: BLE001 - whatever a cache does, the answer can be computed
            self._failed(error)
            return None
        self._cool_down.succeeded()
        self._has_answered = True
        return result

    async def _connect(self) -> bool:
        """Make every connection that there will be, so that no read waits for one. False if that fails."""
        pool = self._client.connection_pool
        made = []
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                for _ in range(_CONNECTIONS):
                    made.append(await pool.get_connection())  # type: ignore[no-untyped-call]  # noqa: PERF401 - those before a failure are wanted too
        except Exception:  # noqa: BLE001 - whatever a cache does, the answer can be computed
            return False
        finally:
            # Those before a failure too: the pool would run out of them, and the cache never come back.
            for connection in made:
                await pool.release(connection)
        return True

    async def close(self) -> None:
        """End the probe and close the connections."""
        if self._probing is not None:
            self._probing.cancel()
        await self._client.aclose()

    def _failed(self, error: Exception) -> None:
        if self._cool_down.failed():
            # Its kind alone: the message may hold the address, and that a password.
            self._leave_it_alone(type(error).__name__)

    def _leave_it_alone(self, why: str) -> None:
        logger.warning("the score cache in Redis fails (%s): going on without it", why)
        self._probing = asyncio.create_task(self._probe_until_it_answers())

    async def _probe_until_it_answers(self) -> None:
        answers = False
        while not answers:
            await asyncio.sleep(PROBE_EVERY_S)
            answers = await self._answers()
        self._cool_down.end()
        self._has_answered = True
        logger.info("the score cache in Redis answers again")

    async def _answers(self) -> bool:
        if not await self._connect():
            return False
        try:
            # As it will be asked, so that a server that only answers to PING stays out.
            await answer_within(CALL_TIMEOUT_S, self._client.hmget(PREFIX, [MORE]))
        except Exception:  # noqa: BLE001 - as above
            return False
        return True
