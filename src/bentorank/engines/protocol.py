"""What an engine is: something that turns text pairs into token ids, and token ids into relevance logits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bentorank.defaults import batch_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bentorank.types import EncodedPair, LengthPolicy, ModelActivation, Pair


class DeviceLostError(Exception):
    """Every later call on the device would fail too, whatever the batch: only a new process may do better."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What is loaded, for the API, the logs and the cache key.

    `fingerprint` changes whenever a score may change: weights, tokenizer, window, engine, precision.
    `max_tokens` is the model's window in tokens, special tokens included. `padding_free` engines compute no padding,
    whatever lengths are batched together. `streams` forward passes may run at a time, each on a thread of its own, and
    each computed by `threads_a_pass` at most, as far as the engine divides them.
    Where the engine `prefetches`, one thread more may hand a batch over, which is computed once that before it is done.
    Batches are padded to a multiple of `width_step` tokens a pair. One that `takes_instruction` reads a request's.
    Where it `tokenises_fast`, texts whose overflow is not chunked take some 25 nanoseconds a byte, others 600.
    """

    engine: str
    model: str
    device: str
    precision: str
    max_tokens: int
    activation: ModelActivation
    fingerprint: str
    padding_free: bool = False
    streams: int = 1
    width_step: int = 1
    prefetches: bool = False
    threads_a_pass: int = 1
    takes_instruction: bool = False
    tokenises_fast: bool = False

    @property
    def forward_threads(self) -> int:
        """How many threads may be in `forward` at a time, and keep the device busy when they are."""
        return self.streams + self.prefetches

    @property
    def batch_tokens(self) -> int:
        """Tokens of a forward pass that suit the device, padding included."""
        return batch_tokens(self.device, threads_a_pass=self.threads_a_pass)

    def padded_width(self, longest: int) -> int:
        """Tokens that each pair of a batch takes whose longest pair has `longest` of them."""
        return min(self.max_tokens, math.ceil(longest / self.width_step) * self.width_step)

    def computed_tokens(self, lengths: Sequence[int]) -> int:
        """Tokens that a batch of pairs of these lengths takes, padding included."""
        return sum(lengths) if self.padding_free else self.padded_width(max(lengths)) * len(lengths)


class Engine(Protocol):
    """A cross-encoder on one device. `encode` is thread-safe; `forward` may run on `info.forward_threads` at a time."""

    @property
    def info(self) -> EngineInfo:
        """What is loaded."""
        ...

    def encode(self, pairs: Sequence[Pair]) -> list[EncodedPair]:
        """Tokenise, cutting each passage to what the window leaves beside its query. Any thread.

        Raises InvalidRequestError when a query takes more than half of the window.
        """
        ...

    def encode_chunks(self, pairs: Sequence[Pair], policy: LengthPolicy) -> Sequence[Sequence[EncodedPair]]:
        """Tokenise what `policy` wants read of each passage: one pair for each chunk of it, none of one left out. Any
        thread.

        Raises InvalidRequestError when a query takes more than half of the window, unless the policy cuts it, and
        DocumentTooLongError for a passage that does not fit, if the policy refuses those.
        """
        ...

    def forward(self, batch: Sequence[EncodedPair]) -> NDArray[np.float32]:
        """Relevance logits, shape (len(batch),), before any activation. Order follows the batch.

        Raises DeviceLostError where the device is to blame for good, and anything else for a batch that fails.
        """
        ...

    def warm_up(self) -> None:
        """Run the shapes that the first requests will need, so that none of them pays for compilation."""
        ...
