"""Shapes have the lengths that their names promise, and enough documents."""

from __future__ import annotations

from benchmarks.harness.request_sets import distinct_requests
from benchmarks.harness.texts import read_sample
from benchmarks.sweep.shapes import (
    LONG_WORDS,
    PIECE_WORDS,
    SHAPES,
    SHORT_WORDS,
    long_documents,
    pieces_of_mixed_length,
    points,
)

SAMPLE = read_sample()


def words(text: str) -> int:
    return len(text.split())


def test_the_sample_makes_distinct_requests_of_every_shape() -> None:
    """Without a document twice in a request."""
    for shape in SHAPES:
        request = next(distinct_requests(shape.texts(SAMPLE), shape.documents, seed=1))
        assert len(set(request.documents)) == shape.documents, shape.name


def test_lengths_are_as_promised() -> None:
    """20 words, 500 words, and 8 to 80 but for what is left at a passage's end."""
    short, _, long, pieces = (shape.make_documents(SAMPLE.passages) for shape in SHAPES)
    assert {words(text) for text in short} == {SHORT_WORDS}
    assert {words(text) for text in long} == {LONG_WORDS}
    assert max(map(words, pieces)) == PIECE_WORDS[1]


def test_pieces_leave_nothing_out() -> None:
    """In their order they are the passages again."""
    pieces = pieces_of_mixed_length(SAMPLE.passages)
    assert " ".join(pieces).split() == " ".join(SAMPLE.passages).split()


def test_a_long_document_goes_on_with_the_next_passages() -> None:
    """Around the end of the list, too; each passage begins one of them."""
    first, second = "a " * (LONG_WORDS - 1), "b " * 10
    assert [text.split()[0] for text in long_documents([first, second])] == ["a", "b"]
    assert long_documents([first, second])[0].split()[-1] == "b"
    assert long_documents([first, second])[1].split()[10:] == ["a"] * (LONG_WORDS - 10)


def test_points_have_pairs_enough_and_two_turns_for_each_client() -> None:
    """Whichever is more."""
    short = SHAPES[0]
    assert [(point.clients, point.requests) for point in points([short], [1, 32], pairs=400)] == [(1, 40), (32, 64)]
    assert [point.clients for point in points([short], None, pairs=1)] == list(short.clients)
