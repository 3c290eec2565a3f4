"""The batches that an engine runs before it is ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentorank.types import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bentorank.engines.encoding import PairEncoder
    from bentorank.types import EncodedPair

_LENGTHS = (32, 128, 512)
_PAIRS = (1, 8)


def warm_up_batches(encoder: PairEncoder, max_tokens: int) -> Iterator[list[EncodedPair]]:
    """Single pairs and small batches, short, middling and long, never beyond the window."""
    for length in _LENGTHS:
        if length <= max(max_tokens, _LENGTHS[0]):
            pair = Pair("a", "a " * length)
            yield from ([encoder.encode([pair])[0]] * pairs for pairs in _PAIRS)
