"""The fuzzer's pure parts: cases that can be sent again, and a report that counts what it was told."""

import pytest

from benchmarks.hostile.fuzz_report import Tally, as_markdown
from benchmarks.hostile.mutations import KINDS, Case, Ending, case_of, chunked
from benchmarks.hostile.raw_client import Outcome
from benchmarks.hostile.seeds import Seed, seeds_of
from benchmarks.hostile.watch import log_facts

MACHINE = {"cpu": "a CPU", "cores": 2, "flags": [], "memory_gib": 1, "gpus": [], "system": "Linux", "python": "3.11"}
RERANK = {"query": "q", "documents": ["a", "b"]}
SEEDS = (Seed(b"GET", b"/livez"), Seed(b"POST", b"/rerank", RERANK), Seed(b"POST", b"/rerank/batch", [RERANK]))
LOG = b"""ready
Traceback (most recent call last):
  File "a.py", line 1, in f
    g()
ValueError: wrong
Traceback (most recent call last):
  File "b.py", line 2, in g
asyncio.exceptions.CancelledError
"""


def test_a_case_is_the_same_bytes_each_time() -> None:
    """So that a number is enough to send it again."""
    cases = [case_of(number, 7, SEEDS) for number in range(300)]
    assert cases == [case_of(number, 7, SEEDS) for number in range(300)]
    assert {case.kind for case in cases} == set(KINDS)
    assert [case.data for case in cases] != [case_of(number, 8, SEEDS).data for number in range(300)]


def test_slow_cases_are_sent_in_pieces() -> None:
    """Which together are the whole request."""
    slow = [case for number in range(300) if (case := case_of(number, 7, SEEDS)).kind == "slow"]
    assert all(len(case.pieces) > 1 and case.pause_s > 0 for case in slow)
    assert {case.data for case in slow} <= {seed.message() for seed in SEEDS}


def test_a_seed_is_made_of_each_example_and_each_get() -> None:
    """Names in paths are filled in."""
    content = {"application/json": {"examples": {"a": {"value": {"x": 1}}, "b": {"value": {"y": 2}}}}}
    paths = {"/score": {"post": {"requestBody": {"content": content}}}, "/v1/models/{model_id}": {"get": {}}}
    made = [(seed.method, seed.target, seed.body) for seed in seeds_of({"paths": paths})]
    assert made[:2] == [(b"POST", b"/score", b'{"x":1}'), (b"POST", b"/score", b'{"y":2}')]
    assert (b"GET", b"/v1/models/starter", b"") in made


def test_a_seed_is_framed_by_its_length() -> None:
    """As a server reads it."""
    head, _, body = SEEDS[1].message().partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"POST /rerank HTTP/1.1"
    assert b"Content-Length: %d" % len(body) in head.splitlines()
    assert chunked(b"abcde", 3) == b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


def test_tracebacks_are_counted_by_what_they_end_in() -> None:
    """Dotted names lose their module."""
    facts = log_facts(LOG)
    assert (facts["lines"], facts["bytes"], facts["tracebacks"]) == (8, len(LOG), 2)
    assert facts["exceptions"] == {"ValueError": 1, "CancelledError": 1}


@pytest.fixture
def tally() -> Tally:
    """A 200, two 500s, a half request that was left waiting, and one that was hung up on."""
    tally = Tally()
    tally.add(Case(0, "valid", (b"a",), 0.0, Ending.READ), Outcome((200,), closed=False, seconds=0.1))
    for number in (1, 2):
        tally.add(Case(number, "form", (b"b",), 0.0, Ending.READ), Outcome((500,), closed=False, seconds=0.1))
    tally.add(Case(3, "truncated", (b"c",), 0.0, Ending.READ), Outcome((), closed=False, seconds=3.0))
    tally.add(Case(4, "truncated", (b"c",), 0.0, Ending.HALF_CLOSE), Outcome((), closed=True, seconds=0.1))
    return tally


def test_server_errors_are_told_with_the_first_case_of_each_kind(tally: Tally) -> None:
    """With the bytes that were sent."""
    sent = tally.as_json()
    assert sent["statuses"] == {"200": 1, "500": 2}
    assert sent["server_errors"] == [{"status": 500, "kind": "form", "count": 2, "case": 1, "sent": "b'b'"}]
    assert sent["kinds"]["truncated"] == {"cases": 2, "silence": 1, "closed unanswered": 1}


def test_the_report_has_a_row_for_each_kind(tally: Tally) -> None:
    """And the figures above them."""
    result = {
        "machine": MACHINE,
        "setup": {"minutes": 1, "clients": 32, "seed": 1, "settle_s": 75},
        "sent": tally.as_json(),
        "livez": {"probes": 300, "failures": {}, "p50_ms": 1.0, "slowest_ms": 20.0, "workers_replaced": 1},
        "rss_mib": {"before": 100.0, "after": 120.0},
        "connections": {"held": 9, "held_still_open": {"slow": 2}, "open_after": 0},
        "log": log_facts(LOG),
    }
    rows = as_markdown(result).splitlines()
    assert "| truncated | 2 | 0 | 0 | 0 | 0 | 1 | 1 |" in rows
    assert "| crashes (workers replaced) | 1 |" in rows
    assert "| held open by clients, not ended by the server 75 s later | 2 × slow of 9 |" in rows
    assert "- 500 after form, 2 times, first case 1" in rows
