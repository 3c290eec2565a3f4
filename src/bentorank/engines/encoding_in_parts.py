"""Tokenises the passages of a request part by part: so it can end, and holds of one part alone what it need not keep.

A tokenizer holds some 200 bytes a token until its ids are in a buffer of eight, and 300 where it tells offsets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from bentorank.engines.cores import usable_cores
from bentorank.engines.encoded_pairs import EncodedChunks
from bentorank.errors import DeadlineExceededError, DocumentTooLongError, PayloadTooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bentorank.columns import TextPairs
    from bentorank.engines.protocol import Engine
    from bentorank.types import LengthPolicy

# For each core, since the tokenizer spreads a part over all of them.
_CHARS_A_CORE: Final = 2**16


@dataclass(slots=True)
class Watch:
    """Ends work on another thread: once nobody waits for it any more, and at more than `max_tokens` of `field`.

    `purpose` is what the tokens are for, in the sentence that says so.
    """

    max_tokens: int | None = None
    field: str = "documents"
    purpose: str = "to score"
    is_over: bool = False

    def check(self) -> None:
        """Raises DeadlineExceededError once it is over, which nobody reads then."""
        if self.is_over:
            raise DeadlineExceededError("it was given up")

    def check_tokens(self, tokens: int, *, all_told: bool) -> None:
        """Raises PayloadTooLargeError if so many are too many, `all_told` or with more to come."""
        if self.max_tokens is not None and tokens > self.max_tokens:
            least = "" if all_told else "at least "
            raise PayloadTooLargeError(
                f"{self.field}: {least}{tokens} tokens {self.purpose}, more than the limit of {self.max_tokens}",
                field=self.field,
            )


def encode_in_parts(
    engine: Engine, pairs: TextPairs, policy: LengthPolicy, watch: Watch
) -> Iterator[tuple[slice, EncodedChunks]]:
    """The chunks of some pairs after the other, and which they are.

    Raises as Engine.encode_chunks does, and as Watch.check.
    """
    watch.check()
    if sum(map(len, pairs.passages)) <= _most_chars():
        yield slice(0, len(pairs)), EncodedChunks.of(engine.encode_chunks(pairs, policy))
        return
    for places in _parts(pairs.passages, _most_chars()):
        watch.check()
        yield places, _encode(engine, pairs.part(places), policy, places.start)


@cache
def _most_chars() -> int:
    return _CHARS_A_CORE * usable_cores()


def _encode(engine: Engine, pairs: TextPairs, policy: LengthPolicy, start: int) -> EncodedChunks:
    try:
        return EncodedChunks.of(engine.encode_chunks(pairs, policy))
    except DocumentTooLongError as error:
        raise error.at(start + error.position) from None


def _parts(passages: Sequence[str], most_chars: int) -> Iterator[slice]:
    """Of no more characters, or of one passage."""
    start = chars = 0
    for place, length in enumerate(map(len, passages)):
        if chars and chars + length > most_chars:
            yield slice(start, place)
            start, chars = place, 0
        chars += length
    yield slice(start, len(passages))
