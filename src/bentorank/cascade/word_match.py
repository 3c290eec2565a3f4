"""How well passages match a query word by word, by word embeddings alone. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from bentorank.engines.word_table import WordTable

# A thousand long passages have half a million tokens: so many words are compared at a time, in 32 MiB each.
_WORDS_AT_ONCE: Final = 8192
_QUERY_WORDS_AT_ONCE: Final = 16
# A long query and passages with all words of a large vocabulary have a billion cosines: so many at a time, in 64 MiB.
_COSINES_AT_ONCE: Final = 2**24


def _go_on() -> None:
    """Nobody waits for it to end sooner."""


def match_words(
    table: WordTable,
    query: NDArray[np.int64],
    passages: Sequence[NDArray[np.int64]],
    *,
    check: Callable[[], None] = _go_on,
) -> NDArray[np.float32]:
    """The mean over the query's words of how like each is the likest word of the passage: shape (len(passages),).

    Words weigh by how rare they are among these passages. A passage without words has minus infinity, as have all
    where the query has none. `check` is called between blocks of work, and what it raises ends it.
    """
    scores = np.full(len(passages), -np.inf, dtype=np.float32)
    lengths = np.array([len(passage) for passage in passages], dtype=np.intp)
    with_words = np.flatnonzero(lengths)
    if not len(query) or not len(with_words):
        return scores
    lengths = lengths[with_words]
    read = np.concatenate([passages[int(place)] for place in with_words])
    words, places = np.unique(read, return_inverse=True)
    asked, times = np.unique(query, return_counts=True)
    weights = times * rarity(asked, words, places, lengths)
    best = np.concatenate(
        [
            _best_likeness(_likeness(table, asked[block], words), places, lengths, check)
            for block in _blocks(len(asked), max(_QUERY_WORDS_AT_ONCE, _COSINES_AT_ONCE // len(words)))
        ]
    )
    scores[with_words] = weights @ best / weights.sum()
    return scores


def rarity(
    asked: NDArray[np.int64], words: NDArray[np.int64], places: NDArray[np.intp], lengths: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Weight of each word of `asked`, above 0: BM25's idf, counted over these passages.

    `words` are the sorted words of all passages, `places` where in them each token is: of one passage of `lengths`
    after the other.
    """
    passage_of = np.repeat(np.arange(len(lengths)), lengths)
    is_asked = np.isin(words, asked)[places]
    occurrences = np.unique(np.stack([places[is_asked], passage_of[is_asked]]), axis=1)[0]
    holding = np.bincount(occurrences, minlength=len(words))
    at = np.minimum(np.searchsorted(words, asked), len(words) - 1)
    counts = np.where(words[at] == asked, holding[at], 0)
    return np.log1p((len(lengths) - counts + 0.5) / (counts + 0.5)).astype(np.float32)


def _likeness(table: WordTable, asked: NDArray[np.int64], words: NDArray[np.int64]) -> NDArray[np.float32]:
    """Cosines, shape (len(asked), len(words))."""
    directions = table.directions(asked)
    blocks = [directions @ table.directions(words[block]).T for block in _blocks(len(words), _WORDS_AT_ONCE)]
    return np.concatenate(blocks, axis=1)


def _best_likeness(
    likeness: NDArray[np.float32], places: NDArray[np.intp], lengths: NDArray[np.intp], check: Callable[[], None]
) -> NDArray[np.float32]:
    """The greatest of each passage, shape (query words, passages)."""
    starts = np.cumsum(lengths) - lengths
    blocks = []
    for block in _blocks(len(likeness), _QUERY_WORDS_AT_ONCE):
        check()
        blocks.append(np.maximum.reduceat(likeness[block][:, places], starts, axis=1))
    return np.concatenate(blocks)


def _blocks(length: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, length, size))
