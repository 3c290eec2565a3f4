"""When a failed attempt is made again, after how long, and when no more."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, TypedDict

from tenacity import RetryCallState, retry_if_exception, stop_after_attempt, stop_before_delay, wait_random_exponential
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from bentorank_client.errors import APIConnectionError, APIStatusError

if TYPE_CHECKING:
    from tenacity.retry import retry_base

# 504 says that the service's own deadline passed: a later attempt may find a shorter queue.
RETRIED_STATUSES = frozenset({429, 502, 503, 504})
MAX_RETRY_AFTER_S = 20.0
BUDGET_SHARE = 0.1
BUDGET_RESERVE = 32.0

# Full jitter: anywhere between nothing and the exponential bound.
_backoff = wait_random_exponential(multiplier=0.25, max=4.0)


class RetryBudget:
    """Lets retries be at most a tenth of the calls, beyond a reserve, so that an outage is not met with a storm."""

    def __init__(self, share: float = BUDGET_SHARE, reserve: float = BUDGET_RESERVE) -> None:
        self._share = share
        self._reserve = reserve
        self._balance = reserve
        self._lock = Lock()

    def earn(self) -> None:
        """A call begins."""
        with self._lock:
            self._balance = min(self._reserve, self._balance + self._share)

    def spend(self) -> bool:
        """Whether one more retry is affordable; if so it is paid for."""
        with self._lock:
            if self._balance < 1:
                return False
            self._balance -= 1
            return True


class RetryArguments(TypedDict):
    """What tenacity's Retrying and AsyncRetrying both take."""

    retry: retry_base
    wait: wait_base
    stop: stop_base
    reraise: bool


def is_retriable(error: BaseException) -> bool:
    """A ranking changes nothing, so it may be asked for again; but a slow service is not helped by asking twice."""
    return isinstance(error, APIConnectionError) or (
        isinstance(error, APIStatusError) and error.status in RETRIED_STATUSES
    )


class _Wait(wait_base):
    """What the service asked for, else nothing where another server is left to try, else a jittered backoff."""

    def __init__(self, *, others_left: int) -> None:
        self._others_left = others_left

    def __call__(self, retry_state: RetryCallState) -> float:
        if retry_state.attempt_number <= self._others_left:
            return 0.0
        error = retry_state.outcome.exception() if retry_state.outcome is not None else None
        asked_s = error.retry_after_s if isinstance(error, APIStatusError) else None
        return _backoff(retry_state) if asked_s is None else min(asked_s, MAX_RETRY_AFTER_S)


class _OutOfBudget(stop_base):
    def __init__(self, budget: RetryBudget) -> None:
        self._budget = budget

    def __call__(self, retry_state: RetryCallState) -> bool:  # noqa: ARG002 - tenacity's
        return not self._budget.spend()


def retry_arguments(*, max_attempts: int, time_left_s: float, servers: int, budget: RetryBudget) -> RetryArguments:
    """Retry within attempts, time and budget; a wait that would outlast the time is not begun."""
    # The budget comes last, so that it is charged only for a retry that will happen.
    stop = stop_after_attempt(max_attempts) | stop_before_delay(time_left_s) | _OutOfBudget(budget)
    return {
        "retry": retry_if_exception(is_retriable),
        "wait": _Wait(others_left=servers - 1),
        "stop": stop,
        "reraise": True,
    }
