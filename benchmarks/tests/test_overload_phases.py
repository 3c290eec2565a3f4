"""Requests for any size and number come from a small sample of texts."""

from __future__ import annotations

from itertools import islice

from benchmarks.harness.texts import Texts
from benchmarks.overload.phases import endless_requests

TEXTS = Texts(queries=("q",), passages=("a", "b", "c"))


def test_a_request_may_have_more_passages_than_there_are() -> None:
    """Then some are in it twice."""
    (request,) = islice(endless_requests(TEXTS, documents=5, seed=1), 1)
    assert len(request.documents) == 5
    assert set(request.documents) == {"a", "b", "c"}


def test_requests_do_not_end() -> None:
    """They come again, once every pair has come."""
    first, second, third, again = islice(endless_requests(TEXTS, documents=1, seed=1), 4)
    assert {first.documents, second.documents, third.documents} == {("a",), ("b",), ("c",)}
    assert again == first
