"""The first stage without a second model: the model's own word embeddings, over the tokens that it would read."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from bentorank.cascade.first_stage import Sifted
from bentorank.cascade.word_match import match_words
from bentorank.columns import TextPairs
from bentorank.engines.encoding_in_parts import Watch, encode_in_parts
from bentorank.errors import DeadlineExceededError
from bentorank.types import Pair

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from bentorank.engines.protocol import Engine
    from bentorank.engines.word_table import WordTable
    from bentorank.reading import Terms
    from bentorank.types import LengthPolicy


class EmbeddingsStage:
    """Orders documents by how well their words match the query's, on the threads of `executor`.

    It refuses those that have more tokens than `max_tokens`, in their chunks.
    """

    def __init__(self, engine: Engine, table: WordTable, executor: Executor, *, max_tokens: int | None = None) -> None:
        self._engine = engine
        self._table = table
        self._executor = executor
        self._max_tokens = max_tokens

    async def sift(self, query: str, passages: Sequence[str], terms: Terms) -> Sifted:
        """Score all passages; see FirstStage. Raises PayloadTooLargeError, too."""
        loop = asyncio.get_running_loop()
        watch = Watch(self._max_tokens, purpose="for the first stage to read")
        work = partial(sift_by_words, self._engine, self._table, query, passages, terms.length, watch)
        try:
            async with asyncio.timeout(terms.remaining_s):
                return await loop.run_in_executor(self._executor, work)
        except TimeoutError:
            raise DeadlineExceededError("the deadline passed in the first stage") from None
        finally:
            watch.is_over = True


def sift_by_words(  # noqa: PLR0913, PLR0917 - all of a request, and what ends it
    engine: Engine,
    table: WordTable,
    query: str,
    passages: Sequence[str],
    policy: LengthPolicy,
    watch: Watch | None = None,
) -> Sifted:
    """Scores of the passages, each its best chunk's. Raises as Engine.encode_chunks does, and as `watch` does."""
    watch = watch or Watch()
    chunks, counts = _encode(engine, query, passages, policy, watch)
    (nothing,), (query_alone,) = engine.encode_chunks([Pair("", ""), Pair(query, "")], policy)
    words_of_query = _inserted([query_alone.input_ids], nothing.input_ids)[0]
    words = _inserted(chunks, query_alone.input_ids)
    by_chunk = iter(match_words(table, words_of_query, words, check=watch.check).tolist())
    scores = [max(islice(by_chunk, count), default=-np.inf) for count in counts]
    finite = [score if np.isfinite(score) else None for score in scores]
    return Sifted(finite, pairs=len(chunks), tokens=sum(map(len, words)))


def _encode(
    engine: Engine, query: str, passages: Sequence[str], policy: LengthPolicy, watch: Watch
) -> tuple[list[NDArray[np.int64]], list[int]]:
    """The token ids of all chunks, and how many each passage has."""
    chunks: list[NDArray[np.int64]] = []
    counts: list[int] = []
    tokens = 0
    pairs = TextPairs.of_query(query, list(passages))
    for places, encoded in encode_in_parts(engine, pairs, policy, watch):
        tokens += sum(encoded.pairs.lengths)
        watch.check_tokens(tokens, all_told=places.stop == len(pairs))
        chunks += [chunk.input_ids for chunk in encoded.pairs]
        counts += [len(own) for own in encoded.split(range(len(encoded.pairs)))]
    return chunks, counts


def _inserted(longer: Sequence[NDArray[np.int64]], shorter: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """What each of `longer` has in one place that `shorter` lacks: a passage in its template, or a query.

    So no engine need tell where its template has them. What begins as the template goes on may lose its first token.
    """
    before = min((_common_beginning(ids, shorter) for ids in longer), default=0)
    after = len(shorter) - before
    return [ids[before : max(before, len(ids) - after)] for ids in longer]


def _common_beginning(left: NDArray[np.int64], right: NDArray[np.int64]) -> int:
    shorter = min(len(left), len(right))
    different = np.flatnonzero(left[:shorter] != right[:shorter])
    return int(different[0]) if len(different) else shorter
