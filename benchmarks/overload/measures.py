"""What a run that passes from calm to overload and back says about a server. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.load.exchange import Exchange

# Too many requests, service unavailable, gateway timeout: what a server says that will not do the work.
REFUSALS = frozenset({"429", "503", "504"})
# One latency says little, and the median of many is late to fall.
REQUESTS_OF_A_MEDIAN = 5
RECOVERED_BELOW = 1.5


class Ending(StrEnum):
    """How a request with a deadline ended for its caller."""

    IN_TIME = "answered in time"
    LATE = "answered late"
    REFUSED = "refused"
    TIMED_OUT = "timed out"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Surge:
    """Calm load until `begin_s`, overload until `end_s`, calm load again; every request has so many documents."""

    begin_s: float
    end_s: float
    deadline_s: float
    documents: int


def ending(exchange: Exchange, deadline_s: float) -> Ending:
    """A refusal is one that comes before the deadline: the same 504 at or after it means that time ran out."""
    is_late = exchange.latency_s >= deadline_s
    if exchange.is_answered:
        return Ending.LATE if is_late else Ending.IN_TIME
    if exchange.outcome in {"504", "TimeoutError"} and is_late:
        return Ending.TIMED_OUT
    return Ending.REFUSED if exchange.outcome in REFUSALS else Ending.FAILED


def answers_per_s(log: Iterable[Exchange], begin_s: float, end_s: float) -> float:
    """Answers that came in that time."""
    return sum(exchange.is_answered and begin_s <= exchange.ended_s < end_s for exchange in log) / (end_s - begin_s)


def goodput(log: Iterable[Exchange], surge: Surge) -> float:
    """Pairs a second whose answer came during the overload, and within its request's deadline."""
    in_time = [exchange for exchange in log if ending(exchange, surge.deadline_s) is Ending.IN_TIME]
    return surge.documents * answers_per_s(in_time, surge.begin_s, surge.end_s)


def during(log: Iterable[Exchange], surge: Surge) -> list[Exchange]:
    """The exchanges that were due in the overload."""
    return [exchange for exchange in log if surge.begin_s <= exchange.due_s < surge.end_s]


def endings(log: Sequence[Exchange], deadline_s: float) -> dict[str, float]:
    """The share of each ending."""
    counts = Counter(ending(exchange, deadline_s) for exchange in log)
    return {kind.value: counts[kind] / len(log) for kind in Ending}


def refusals_by_status(log: Sequence[Exchange], deadline_s: float) -> dict[str, float]:
    """The share of all requests that was refused with each status."""
    refused = Counter(each.outcome for each in log if ending(each, deadline_s) is Ending.REFUSED)
    return {status: count / len(log) for status, count in sorted(refused.items())}


def latency_ms(log: Iterable[Exchange], kind: Ending, deadline_s: float) -> dict[str, float]:
    """p50, p99 and the highest of the exchanges with that ending; empty if there are none."""
    seconds = [exchange.latency_s for exchange in log if ending(exchange, deadline_s) is kind]
    if not seconds:
        return {}
    return dict(zip(("p50", "p99", "p100"), (np.percentile(seconds, (50, 99, 100)) * 1e3).tolist(), strict=True))


def recovery(log: Iterable[Exchange], surge: Surge) -> dict[str, float]:
    """The calm after the overload against the calm before it.

    `recovered_s` is when, after the overload, the median latency of consecutive requests is back within a factor of
    the median before; infinite if it never is. Requests without an answer count as infinitely slow.
    """
    in_order = sorted(log, key=lambda exchange: exchange.due_s)
    before_s = median(_waits(exchange for exchange in in_order if exchange.due_s < surge.begin_s))
    after = [exchange for exchange in in_order if exchange.due_s >= surge.end_s]
    return {
        "p50_before_ms": before_s * 1e3,
        "p50_after_ms": median(_waits(after)) * 1e3,
        "recovered_s": _recovered_s(after, RECOVERED_BELOW * before_s, surge.end_s),
    }


def _recovered_s(after: Sequence[Exchange], below_s: float, end_s: float) -> float:
    for first in range(max(1, len(after) - REQUESTS_OF_A_MEDIAN + 1)):
        if median(_waits(after[first : first + REQUESTS_OF_A_MEDIAN])) <= below_s:
            return after[first].due_s - end_s
    return inf


def _waits(exchanges: Iterable[Exchange]) -> list[float]:
    return [exchange.latency_s if exchange.is_answered else inf for exchange in exchanges]
