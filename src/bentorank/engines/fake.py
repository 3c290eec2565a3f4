"""A deterministic engine without a model, for tests and demos: slow or failing exactly when told to.

A passage that contains `[[poison]]` makes its batch raise, `[[oom]]` makes it run out of memory, `[[nan]]` scores NaN,
`[[die]]` ends the thread that computes it, and `[[down]]` makes every batch raise for five seconds.
"""

from __future__ import annotations

import re
import time
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from bentorank.engines.fingerprint import fingerprint
from bentorank.engines.options import FakeOptions
from bentorank.engines.overflow import plan_reading
from bentorank.engines.protocol import DeviceLostError, EngineInfo
from bentorank.errors import ConfigurationError, InvalidRequestError
from bentorank.types import EncodedPair, LengthPolicy, ModelActivation, Overflow, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bentorank.types import Pair

_SEPARATOR: Final = 1
_POISON: Final = 2
_OOM: Final = 3
_NAN: Final = 4
_DIE: Final = 5
_DOWN: Final = 6
_MARKERS: Final = {"[[poison]]": _POISON, "[[oom]]": _OOM, "[[nan]]": _NAN, "[[die]]": _DIE, "[[down]]": _DOWN}
_DOWN_FOR_S: Final = 5.0
_FIRST_WORD: Final = 16
_WORDS: Final = 1 << 20
_WORD = re.compile(r"\[\[\w+\]\]|\w+")

DEFAULT_MAX_TOKENS: Final = 512


class _DownError(RuntimeError):
    pass


class FakeEngine:
    """Scores a pair by how many of its query's words stand in the passage; a token is a word."""

    def __init__(self, options: FakeOptions | None = None, *, max_tokens: int = DEFAULT_MAX_TOKENS) -> None:
        self._options = options or FakeOptions()
        if self._has_lost_its_gpu():
            raise ConfigurationError("the fake engine's GPU is not there")
        self._down_until = float("-inf")
        self.info = EngineInfo(
            engine="fake",
            model="fake",
            device="cpu",
            precision="f32",
            max_tokens=max_tokens,
            activation=ModelActivation.SIGMOID,
            fingerprint=fingerprint("fake", 1, max_tokens),
        )

    def encode(self, pairs: Sequence[Pair]) -> list[EncodedPair]:
        """Hash words to ids: query, separator, passage cut to the window.

        Raises InvalidRequestError when a query has more words than half of the window.
        """
        return [chunk for (chunk,) in self.encode_chunks(pairs, LengthPolicy())]

    def encode_chunks(self, pairs: Sequence[Pair], policy: LengthPolicy) -> list[list[EncodedPair]]:
        """As `encode`, by `policy`. See Engine.encode_chunks for what it raises."""
        queries = {query: self._encode_query(query, policy) for query in {pair.query for pair in pairs}}
        encoded = []
        for position, pair in enumerate(pairs):
            ids, cut = queries[pair.query]
            encoded.append(self._encode_passage(ids, pair.passage, policy, position, query_truncated=cut))
        return encoded

    def forward(self, batch: Sequence[EncodedPair]) -> NDArray[np.float32]:
        """Logits between about -5 and 5, shape (len(batch),), after the delays that were asked for."""
        padded_tokens = len(batch) * max(pair.length for pair in batch)
        delay_s = self._options.delay_s_per_batch + self._options.delay_s_per_1k_tokens * padded_tokens / 1000
        if delay_s > 0:  # even a sleep of nothing gives the processor away
            time.sleep(delay_s)
        if self._has_lost_its_gpu():
            raise DeviceLostError
        if time.monotonic() < self._down_until:
            raise RuntimeError("the fake engine is down, as asked")
        try:
            return np.array([_logit(pair) for pair in batch], dtype=np.float32)
        except _DownError:
            self._down_until = time.monotonic() + _DOWN_FOR_S
            raise

    def warm_up(self) -> None:
        """Nothing to prepare."""

    def _has_lost_its_gpu(self) -> bool:
        return self._options.gpu is not None and not self._options.gpu.exists()

    def _encode_query(self, query: str, policy: LengthPolicy) -> tuple[list[int], bool]:
        """Word ids, and whether some were cut."""
        ids = [_id_of(word) for word in _WORD.findall(query)]
        limit = (self.info.max_tokens - 1) // 2
        if len(ids) > limit and not policy.cut_query:
            raise InvalidRequestError(
                f"the query has {len(ids)} tokens and this model reads at most {limit}", field="query"
            )
        return ids[:limit], len(ids) > limit

    def _encode_passage(
        self, query: list[int], passage: str, policy: LengthPolicy, position: int, *, query_truncated: bool
    ) -> list[EncodedPair]:
        wants_spans = policy.overflow is Overflow.CHUNK
        # Matches know where they stand, and cost more than words alone.
        matches = list(_WORD.finditer(passage)) if wants_spans else []
        words = [match[0] for match in matches] if wants_spans else _WORD.findall(passage)
        reading = plan_reading(len(words), self.info.max_tokens - 1 - len(query), policy, position=position)
        return [
            EncodedPair(
                input_ids=np.array([*query, _SEPARATOR, *map(_id_of, words[start:end])], np.int64),
                truncated=reading.truncated,
                query_truncated=query_truncated,
                span=_span(matches[start:end]) if wants_spans else None,
            )
            for start, end in reading.parts
        ]


@lru_cache(maxsize=1 << 16)
def _id_of(word: str) -> int:
    return _MARKERS.get(word.lower()) or _hash(word.lower())


def _span(words: list[re.Match[str]]) -> Span:
    return Span(words[0].start(), words[-1].end()) if words else Span(0, 0)


def _hash(word: str) -> int:
    return _FIRST_WORD + zlib.crc32(word.encode()) % _WORDS


def _logit(pair: EncodedPair) -> float:
    ids = pair.input_ids.tolist()
    separator = ids.index(_SEPARATOR)
    query, passage = set(ids[:separator]), set(ids[separator + 1 :])
    if _POISON in passage:
        raise RuntimeError("a poisoned passage reached the fake engine")
    if _OOM in passage:
        raise MemoryError("the fake engine ran out of memory, as asked")
    if _DOWN in passage:
        raise _DownError("the fake engine goes down, as asked")
    if _DIE in passage:
        raise SystemExit("the fake engine's thread dies, as asked")
    if _NAN in passage:
        return float("nan")
    # A little of the content's hash tells equal overlaps apart without outweighing a word.
    noise = zlib.crc32(pair.input_ids.tobytes()) / 2**32
    return 10 * len(query & passage) / max(1, len(query)) - 5 + noise / 1000
