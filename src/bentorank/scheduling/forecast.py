"""How many tokens texts will have, guessed from their sizes: a thousandth of the work of tokenising them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentorank.columns import TextPairs
from bentorank.engines.encoded_pairs import EncodedChunks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.types import EncodedPair, Pair

# Weight of history: after so much text an old measurement counts 1/e.
MEMORY_BYTES = 1_000_000
# Requests of English passages have within a tenth of the mean tokens a byte. A guess that is too low refuses nobody:
# after tokenising it is put right.
CAUTION = 0.9
# Rather too slow: what is first read is read by words that are new.
UNKNOWN_S_PER_BYTE = 60e-9


def sizes_in_bytes(pairs: Sequence[Pair]) -> list[int]:
    """Bytes of UTF-8 of each pair: languages differ less in tokens a byte than in tokens a character."""
    texts = TextPairs.of(pairs)
    # The pairs of a request share their query.
    of_query = {query: _bytes(query) for query in set(texts.queries)}
    return [
        of_query[query] + (len(passage) if passage.isascii() else _bytes(passage))
        for query, passage in zip(texts.queries, texts.passages, strict=True)
    ]


def _bytes(text: str) -> int:
    # That it is ASCII is known of a text; to encode is to copy it.
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


class TokenForecast:
    """Tokens a byte, as a moving average over the texts that were tokenised last."""

    def __init__(self, max_tokens: int) -> None:
        """`max_tokens` is the most that is read of a pair."""
        self._max_tokens = max_tokens
        self._tokens = 0.0
        self._bytes = 0.0

    def tokens(self, sizes: Sequence[int]) -> int:
        """Of pairs of these sizes together, rather too few than too many; 0 while nothing is known."""
        tokens_per_byte = CAUTION * self._tokens / self._bytes if self._bytes else 0.0
        if max(sizes, default=0) * tokens_per_byte <= self._max_tokens:
            return int(sum(sizes) * tokens_per_byte)
        return int(sum(min(size * tokens_per_byte, self._max_tokens) for size in sizes))

    def learn(self, sizes: Sequence[int], encoded: Sequence[Sequence[EncodedPair]]) -> None:
        """Take into account what those pairs became. One that was cut tells nothing: its rest was not counted."""
        size, tokens = _read_whole(sizes, EncodedChunks.of(encoded))
        keep = MEMORY_BYTES / (MEMORY_BYTES + size)
        self._tokens = self._tokens * keep + tokens
        self._bytes = self._bytes * keep + size


class ReadingSpeed:
    """How long texts take to tokenise, as a moving average over those that were tokenised last.

    English that a fast tokenizer has read before takes 5 ns a byte, Chinese 65, words that nobody has seen 100.
    """

    def __init__(self) -> None:
        self._seconds = MEMORY_BYTES * UNKNOWN_S_PER_BYTE
        self._bytes = float(MEMORY_BYTES)

    def seconds(self, size: int) -> float:
        """About so many seconds of CPU for so many bytes."""
        return size * self._seconds / self._bytes

    def learn(self, size: int, seconds: float) -> None:
        """So many bytes took so many seconds of CPU."""
        keep = MEMORY_BYTES / (MEMORY_BYTES + size)
        self._seconds = self._seconds * keep + seconds
        self._bytes = self._bytes * keep + size


def _read_whole(sizes: Sequence[int], encoded: EncodedChunks) -> tuple[int, int]:
    """Bytes and tokens of the pairs of which nothing was cut."""
    lengths, marks = encoded.pairs.lengths, encoded.pairs.marks
    if encoded.counts is None and not any(mark.truncated for mark in marks):
        return sum(sizes), sum(lengths)
    by_pair = zip(sizes, encoded.split(lengths), encoded.split(marks), strict=True)
    read = [(size, sum(own)) for size, own, marked in by_pair if marked and not marked[0].truncated]
    return sum(size for size, _ in read), sum(tokens for _, tokens in read)
