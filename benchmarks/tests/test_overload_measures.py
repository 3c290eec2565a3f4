"""What counts as refused, as goodput and as recovered."""

from __future__ import annotations

from math import inf

import pytest

from benchmarks.load.exchange import Exchange
from benchmarks.overload.measures import (
    Ending,
    Surge,
    answers_per_s,
    during,
    ending,
    endings,
    goodput,
    latency_ms,
    recovery,
    refusals_by_status,
)

SURGE = Surge(begin_s=10.0, end_s=20.0, deadline_s=2.0, documents=5)


@pytest.mark.parametrize(
    ("latency_s", "outcome", "expected"),
    [
        (1.9, "200", Ending.IN_TIME),
        (2.1, "200", Ending.LATE),
        (0.01, "429", Ending.REFUSED),
        (0.01, "504", Ending.REFUSED),
        (2.01, "504", Ending.TIMED_OUT),
        (3.0, "TimeoutError", Ending.TIMED_OUT),
        (3.0, "429", Ending.REFUSED),
        (0.5, "500", Ending.FAILED),
        (0.5, "ServerDisconnectedError", Ending.FAILED),
    ],
)
def test_a_504_is_a_refusal_only_before_the_deadline(latency_s: float, outcome: str, expected: Ending) -> None:
    """And a refusal that comes late is still one: its latency tells."""
    assert ending(Exchange(0.0, latency_s, outcome), deadline_s=2.0) is expected


def test_a_rate_counts_answers_by_when_they_came() -> None:
    """And no refusals."""
    log = [Exchange(float(second), 1.5, "200") for second in range(10)] + [Exchange(5.0, 0.1, "429")]
    assert answers_per_s(log, 4.0, 8.0) == 1.0


def test_goodput_counts_answers_that_came_in_time_during_the_overload() -> None:
    """Whenever they were due; neither late ones, nor refusals, nor what comes after it."""
    log = [
        Exchange(9.5, 1.0, "200"),
        Exchange(12.0, 1.0, "200"),
        Exchange(12.0, 2.5, "200"),
        Exchange(12.0, 0.01, "429"),
        Exchange(19.5, 1.0, "200"),
    ]
    assert goodput(log, SURGE) == 2 * 5 / 10


def test_shares_are_of_what_was_due_in_the_overload() -> None:
    """Refusals by status add up to the refused; their latency leaves out who timed out."""
    log = [
        Exchange(9.0, 0.5, "200"),
        Exchange(11.0, 0.5, "200"),
        Exchange(12.0, 0.010, "429"),
        Exchange(13.0, 0.030, "503"),
        Exchange(14.0, 2.1, "504"),
        Exchange(20.0, 0.5, "200"),
    ]
    asked = during(log, SURGE)
    assert endings(asked, 2.0) == {
        "answered in time": 0.25,
        "answered late": 0.0,
        "refused": 0.5,
        "timed out": 0.25,
        "failed": 0.0,
    }
    assert refusals_by_status(asked, 2.0) == {"429": 0.25, "503": 0.25}
    assert latency_ms(asked, Ending.REFUSED, 2.0)["p50"] == pytest.approx(20.0)
    assert latency_ms(asked, Ending.FAILED, 2.0) == {}


def test_a_server_recovers_when_the_median_of_five_is_back() -> None:
    """Here once the fourth request after the overload is the first of five of which three are fast."""
    calm = [Exchange(float(second), 0.1, "200") for second in range(10)]
    after = [Exchange(20.0 + second, 1.0 if second < 5 else 0.12, "200") for second in range(10)]
    found = recovery([*after, *calm], SURGE)
    assert found == {
        "p50_before_ms": pytest.approx(100.0),
        "p50_after_ms": pytest.approx(560.0),
        "recovered_s": pytest.approx(3.0),
    }


def test_few_requests_after_the_overload_are_enough() -> None:
    """The median of those that there are."""
    calm = [Exchange(float(second), 0.1, "200") for second in range(10)]
    assert recovery([*calm, Exchange(21.0, 0.12, "200"), Exchange(22.0, 0.12, "200")], SURGE)["recovered_s"] == 1.0


def test_a_server_that_goes_on_refusing_has_not_recovered() -> None:
    """However fast it refuses."""
    calm = [Exchange(float(second), 0.1, "200") for second in range(10)]
    after = [Exchange(20.0 + second, 0.001, "429") for second in range(10)]
    assert recovery([*calm, *after], SURGE)["recovered_s"] == inf
