"""One call: its deadline, its attempts, and what each of them means for the servers' breakers. No I/O."""

from __future__ import annotations

import sys
import time
import uuid
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import count
from typing import TYPE_CHECKING, Self

from bentorank_client.breaker import breaker_of
from bentorank_client.errors import APIStatusError, APITimeoutError, CircuitOpenError, RerankError
from bentorank_client.retry import RetryBudget, retry_arguments
from bentorank_client.trace_context import add_trace_context
from bentorank_client.wire import headers_for

if TYPE_CHECKING:
    from types import TracebackType

    from bentorank_client.breaker import CircuitBreaker
    from bentorank_client.options import ClientOptions
    from bentorank_client.retry import RetryArguments
    from bentorank_client.wire import HttpRequest

SERVER_ERROR = 500
# Connections are closed below the five seconds and more after which servers close theirs.
KEEPALIVE_EXPIRY_S = 4.0
MAX_CONNECTIONS = 100
MAX_RESPONSE_BYTES = 64 << 20
USER_AGENT = f"bentorank-client/{version('bentorank-client')} python/{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a call ends, on the monotonic clock, and what it was given."""

    at: float
    timeout_s: float

    @classmethod
    def after(cls, timeout_s: float, started: float) -> Self:
        """So long after `started`."""
        return cls(started + timeout_s, timeout_s)

    def left_s(self) -> float:
        """Negative when it has passed."""
        return self.at - time.monotonic()

    def error(self, server: str = "the reranking service") -> APITimeoutError:
        """What to raise when the time is up."""
        return APITimeoutError(
            f"no answer from {server} within timeout_s={self.timeout_s:g};"
            " send fewer or shorter documents, or allow more time"
        )


class Servers:
    """The base URLs of a client, and what all its calls share: whose turn it is, and the retry budget."""

    def __init__(self, options: ClientOptions) -> None:
        self.base_urls = options.base_urls
        self.budget = RetryBudget()
        self._turn = count()

    def in_turn(self) -> list[str]:
        """Every server once, each call beginning with the next."""
        start = next(self._turn) % len(self.base_urls)
        return [*self.base_urls[start:], *self.base_urls[:start]]


@dataclass(slots=True)
class Attempt:
    """One request to one server; as a context it tells the server's breaker how it went."""

    base_url: str
    headers: dict[str, str] = field(repr=False)
    deadline: Deadline
    connect_timeout_s: float
    _breaker: CircuitBreaker
    _ticket: int

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None or (isinstance(error, APIStatusError) and error.status < SERVER_ERROR):
            self._breaker.succeeded(self._ticket)
        elif isinstance(error, RerankError):
            self._breaker.failed(self._ticket, getattr(error, "retry_after_s", None))
        else:
            # Cancelled, interrupted, or a mistake of ours: no word on the server.
            self._breaker.abandoned(self._ticket)


class Call:
    """A request on its way to an answer, by one or several attempts."""

    def __init__(self, request: HttpRequest, options: ClientOptions, servers: Servers, deadline: Deadline) -> None:
        self.request = request
        self._options = options
        self._servers = servers
        self._deadline = deadline
        self._candidates = servers.in_turn()
        self._request_id = uuid.uuid4().hex  # the same for all attempts: one line to look for in any log
        self._attempts = 0
        servers.budget.earn()

    def retry_arguments(self) -> RetryArguments:
        """For tenacity, around `attempt`."""
        return retry_arguments(
            max_attempts=self._options.max_attempts,
            time_left_s=self._deadline.left_s(),
            servers=len(self._candidates),
            budget=self._servers.budget,
        )

    def attempt(self) -> Attempt:
        """The next attempt, at the next server that may be called. Raises CircuitOpenError or APITimeoutError."""
        time_left_s = self._deadline.left_s()
        if time_left_s <= 0:
            raise self._deadline.error()
        start = self._attempts % len(self._candidates)
        self._attempts += 1
        refusals: list[CircuitOpenError] = []
        for base_url in [*self._candidates[start:], *self._candidates[:start]]:
            breaker = breaker_of(base_url)
            try:
                ticket = breaker.enter()
            except CircuitOpenError as refusal:
                refusals.append(refusal)
                continue
            headers, connect_timeout_s = self._headers(time_left_s), min(self._options.connect_timeout_s, time_left_s)
            return Attempt(base_url, headers, self._deadline, connect_timeout_s, breaker, ticket)
        raise min(refusals, key=lambda refusal: refusal.retry_after_s)

    def _headers(self, time_left_s: float) -> dict[str, str]:
        user_agent = f"{self._options.user_agent} {USER_AGENT}".strip()
        headers = headers_for(
            self.request, self._options, user_agent=user_agent, request_id=self._request_id, time_left_s=time_left_s
        )
        add_trace_context(headers)
        return headers
