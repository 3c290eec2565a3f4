"""Requests are repeatable and never repeat a pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.harness.request_sets import distinct_requests, rounds_of_requests
from benchmarks.harness.texts import Texts, read_sample, write_sample

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = Texts(queries=("a", "b", "c"), passages=tuple(f"passage {number}" for number in range(11)))


def test_no_pair_comes_twice() -> None:
    """A score cache must gain nothing from round to round."""
    requests = list(distinct_requests(TEXTS, 3, seed=1))
    pairs = [(request.query, document) for request in requests for document in request.documents]
    assert (len(requests), len(pairs), len(set(pairs))) == (9, 27, 27)


def test_the_seed_decides() -> None:
    """The same seed gives the same rounds, another one others."""
    first, again, other = (rounds_of_requests(TEXTS, rounds=2, requests=4, documents=3, seed=s) for s in (1, 1, 2))
    assert first == again
    assert first != other
    assert [len(requests) for requests in first] == [4, 4]


def test_too_little_text_is_said() -> None:
    """Rather than measured twice."""
    with pytest.raises(ValueError, match="make 9 requests of 3, not 5 x 4"):
        rounds_of_requests(TEXTS, rounds=5, requests=4, documents=3, seed=1)


def test_the_sample_is_a_mix(tmp_path: Path) -> None:
    """60 queries and 400 passages of many lengths, which survive being written again."""
    sample = read_sample()
    words = [len(passage.split()) for passage in sample.passages]
    assert (len(sample.queries), len(sample.passages)) == (60, 400)
    assert min(words) < 50
    assert max(words) > 300
    write_sample(sample, tmp_path / "sample")
    assert read_sample(tmp_path / "sample") == sample
