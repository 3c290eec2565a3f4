"""Pairs in columns are what they would be as objects, in any order and company."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bentorank.engines.collation import pack, pad
from bentorank.engines.encoded_pairs import EncodedChunks, PairColumns, all_of, as_encoded_pairs
from bentorank.engines.joining import PairJoiner, PairTemplate
from bentorank.engines.token_buffer import as_buffer
from bentorank.types import EncodedPair, Mark, Span

# XLNet's suffix has two segments.
JOINERS = [
    PairJoiner(PairTemplate([1], [2], [3, 4], segments=[0, 0, 0, 1, 1, 2]), token_types=token_types)
    for token_types in (True, False)
]
IDS = st.lists(st.integers(5, 99), max_size=6)
PAIRS = st.lists(st.tuples(IDS, IDS, st.booleans()), min_size=1, max_size=8)


def columns_of(joiner, pairs):
    heads = [joiner.head(query) for query, _, _ in pairs]
    passages = [as_buffer(passage) for _, passage, _ in pairs]
    return PairColumns(
        joiner,
        heads=heads,
        passages=passages,
        marks=[Mark(is_cut, not is_cut, Span(0, place)) for place, (_, _, is_cut) in enumerate(pairs)],
        lengths=[
            len(head) + len(passage) + joiner.suffix_tokens for head, passage in zip(heads, passages, strict=True)
        ],
    )


def as_lists(batch):
    return [None if array is None else array.tolist() for array in batch]


def assert_same_batches(columns, objects):
    packed, expected = pack(columns), pack(objects)
    assert as_lists([*packed.as_inputs().values(), packed.bounds]) == as_lists(
        [*expected.as_inputs().values(), expected.bounds]
    )
    padded, expected_padded = pad(columns, 7, width=20), pad(objects, 7, width=20)
    assert as_lists(padded.as_inputs().values()) == as_lists(expected_padded.as_inputs().values())


@given(PAIRS, st.sampled_from(JOINERS), st.randoms())
def test_columns_make_the_batches_of_their_objects(pairs, joiner, random):
    """In another order than they came in, too."""
    columns = columns_of(joiner, pairs)
    objects = [*columns]
    assert [pair.length for pair in objects] == columns.lengths
    for (query, passage, is_cut), pair in zip(pairs, objects, strict=True):
        assert pair.input_ids.tolist() == [1, *query, 2, *passage, 3, 4]
        assert (pair.truncated, pair.query_truncated, pair.head_tokens) == (is_cut, not is_cut, len(query) + 2)
        if joiner is JOINERS[0]:
            assert pair.token_type_ids.tolist() == [0] * (len(query) + 2) + [1] * len(passage) + [1, 2]
    order = random.sample(range(len(pairs)), len(pairs))
    assert_same_batches(columns.at(order), [objects[place] for place in order])


@given(PAIRS, PAIRS)
def test_parts_are_joined_whatever_they_are(first, second):
    """Columns of one engine, of two, and objects."""
    columns, others = columns_of(JOINERS[0], first), columns_of(JOINERS[0], second)
    assert isinstance(all_of([columns, others]), PairColumns)
    assert_same_batches(all_of([columns, others]), [*columns, *others])
    assert_same_batches(all_of([columns, as_encoded_pairs([*others])]), [*columns, *others])
    untyped = columns_of(JOINERS[1], second)
    assert [pair.input_ids.tolist() for pair in all_of([columns, untyped])] == [
        pair.input_ids.tolist() for pair in [*columns, *untyped]
    ]


@given(st.lists(st.integers(0, 3), max_size=6), st.data())
def test_chunks_stay_with_their_passages(counts, data):
    """One by one, in runs, and beside what is known of each chunk."""
    pairs = [EncodedPair(np.array([number])) for number in range(sum(counts))]
    iterator = iter(pairs)
    by_passage = [[next(iterator) for _ in range(count)] for count in counts]
    chunks = EncodedChunks.of(by_passage)
    assert [[*own] for own in chunks] == by_passage
    assert [[*own] for own in chunks.split(pairs)] == by_passage
    start = data.draw(st.integers(0, len(counts)))
    end = data.draw(st.integers(start, len(counts)))
    assert [[*own] for own in chunks[start:end]] == by_passage[start:end]
