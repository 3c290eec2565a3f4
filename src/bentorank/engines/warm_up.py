"""The batches that an engine runs before it is ready, and the pairs that one way of running them is compared on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentorank.types import LengthPolicy, Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bentorank.engines.prompt_encoding import Encoder
    from bentorank.engines.protocol import EngineInfo
    from bentorank.types import EncodedPair

_LENGTHS = (32, 128, 512)

# Relevant and irrelevant, a few tokens and hundreds: longer than a window of local attention.
PROBES = (
    Pair("tower height", "The tower is 300 metres high."),
    Pair("tower height", "Bread dough rises faster in a warm kitchen than in a cold one."),
    Pair("capital of France", "Paris has been the capital of France for most of its history. " * 40),
    Pair("capital of France", "The lighthouse keeper climbs the stairs every evening. " * 20),
    Pair("a", ""),
)


def warm_up_batches(encoder: Encoder, info: EngineInfo) -> Iterator[list[EncodedPair]]:
    """Single pairs and full batches, short, middling and long, never beyond the window.

    No larger than what will be computed: the memory that a pass takes is kept.
    """
    for length in _LENGTHS:
        if length <= max(info.max_tokens, _LENGTHS[0]):
            pair = encoder.encode([Pair("a", "a " * length)])[0]
            yield [pair]
            yield [pair] * max(1, info.batch_tokens // pair.length)


def probe_pairs(encoder: Encoder) -> list[EncodedPair]:
    """A batch of unlike pairs, each within the window."""
    return [chunks[0] for chunks in encoder.encode_chunks(PROBES, LengthPolicy(cut_query=True))]
