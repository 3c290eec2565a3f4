"""What a soak's log says of growth and of requests that ended without a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.harness.texts import read_sample
from benchmarks.soak.log import Ended, Log, Sample, read_log
from benchmarks.soak.measures import measure
from benchmarks.soak.report import as_markdown, draw
from benchmarks.soak.traffic import FAULTS, Kind, traffic

if TYPE_CHECKING:
    from pathlib import Path

SETUP = {
    "engine": "fake",
    "share": 0.7,
    "rate_per_s": 2.0,
    "machine": {"cpu": "a CPU", "cores": 2, "flags": [], "memory_gib": 4, "gpus": [], "system": "Linux", "python": "3"},
}


def sample(minute: float, rss_mib: float, *, threads: int = 10) -> Sample:
    """What else there is stays as it was."""
    return Sample(minute * 60, rss_mib, 40, 3, threads, 5, 1.0)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Twenty minutes in which memory grows by 2 MiB a minute after a jump, latency doubles, and a few requests fail."""
    written = Log(tmp_path / "soak.jsonl")
    written.setup(SETUP)
    written.sample(sample(0, 100), idle=True)
    for minute in range(21):
        written.sample(sample(minute, 100 if minute < 5 else 200 + 2 * minute))
        slow = 2 if minute >= 10 else 1
        for second in range(60):
            written.ended(Ended(minute * 60 + second, 0.1 * slow, Kind.ORDINARY, "200"))
    written.ended(Ended(10, 0.1, Kind.ORDINARY, "500"))
    written.ended(Ended(11, 0.1, Kind.ORDINARY, "ServerDisconnectedError"))
    written.ended(Ended(12, 0.1, Kind.POISON, "500"))
    written.ended(Ended(13, 0.1, Kind.MALFORMED, "500"))
    written.sample(sample(21, 240, threads=13), idle=True)
    written.close()
    return tmp_path / "soak.jsonl"


def test_growth_counts_once_settled(log: Path) -> None:
    """The jump of the first minutes is no slope; idle counts are of before and after."""
    found = measure(read_log(log))
    assert found["rss_slope_mib_per_min"] == pytest.approx(2)
    assert found["rss_growth_mib"] == pytest.approx(26, abs=0.1)
    assert found["idle"] == {"descriptors": 0, "threads": 3, "tasks": 0}
    assert found["p99_change"] == pytest.approx(1)


def test_a_failure_is_explained_by_what_was_wrong_with_its_request(log: Path) -> None:
    """A poisoned document may be a 500, a malformed body may not."""
    assert measure(read_log(log))["unexplained"] == 3


def test_a_log_that_was_cut_off_is_read(log: Path, tmp_path: Path) -> None:
    """In the middle of a line, without the counts of the end; and it can be reported."""
    content = log.read_bytes()
    log.write_bytes(content[: content.index(b'{"idle"', 400) + 20])
    record = read_log(log)
    found = measure(record)
    assert found["idle"]["threads"] is None
    assert "| threads | – |" in as_markdown(record.setup, found)
    draw(record, tmp_path / "soak.svg")
    assert "<svg" in (tmp_path / "soak.svg").read_text()


def test_the_same_seed_makes_the_same_traffic() -> None:
    """A share of it is faults, of every kind."""
    first, again = (
        [next(sent) for _ in range(2000)]
        for sent in (traffic(read_sample(), fault_share=0.05, words=5, seed=1) for _ in range(2))
    )
    assert first == again
    kinds = [sent.kind for sent in first]
    assert set(kinds) == {Kind.ORDINARY, *FAULTS}
    assert 50 < sum(kind is not Kind.ORDINARY for kind in kinds) < 150
