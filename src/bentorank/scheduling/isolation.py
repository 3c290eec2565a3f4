"""One forward pass whose failure stays with the pairs that cause it."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import numpy as np

from bentorank.engines.encoded_pairs import as_encoded_pairs
from bentorank.engines.protocol import DeviceLostError
from bentorank.errors import DeadlineExceededError, NonFiniteScoreError, ScoringError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bentorank.engines.encoded_pairs import EncodedPairs
    from bentorank.types import EncodedPair

    Forward = Callable[[Sequence[EncodedPair]], NDArray[np.float32]]

# A DeadlineExceededError where a caller takes part of the outcomes, and this is not among them.
Outcome = float | ScoringError | DeadlineExceededError

# An engine that fails on this many single pairs and has scored none is broken, not poisoned.
GIVE_UP_AFTER_POISONS = 2
# Of so few it is found out for each: that costs no more than giving up on a healthy one would.
TOO_FEW_TO_GIVE_UP = 8

_OUT_OF_MEMORY = ("out of memory", "alloc_failed", "bad_alloc")

logger = logging.getLogger(__name__)


class IsolatingForward:
    """Runs batches and finds the pairs that make one fail.

    A failing batch of n pairs costs at most ⌈log2 n⌉ + 3 further passes for each pair that is to blame. A batch that
    runs out of memory is halved until it fits; `out_of_memory` says that it happened in the last `run`. A device that
    is lost is no pair's fault: DeviceLostError goes through.
    """

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self.out_of_memory = False

    def run(self, pairs: Sequence[EncodedPair]) -> list[Outcome]:
        """Score `pairs`; one outcome each, in their order: a finite logit or that pair's own error."""
        self.out_of_memory = False
        outcomes: list[Outcome | None] = [None] * len(pairs)
        attempt = _Attempt(self._forward, as_encoded_pairs(pairs), outcomes)
        attempt.score_all()
        self.out_of_memory = attempt.out_of_memory
        settled = [outcome for outcome in outcomes if outcome is not None]
        assert len(settled) == len(pairs), "bug: a pair left the batch without an outcome"
        return settled


class _Attempt:
    """The work on one batch: which pairs are scored, to blame, or still open."""

    def __init__(self, forward: Forward, pairs: EncodedPairs, outcomes: list[Outcome | None]) -> None:
        self._forward = forward
        self._pairs = pairs
        self._outcomes = outcomes
        self._poisons = 0
        self._any_scored = False
        self._last_was_out_of_memory = False
        self.out_of_memory = False

    def score_all(self) -> None:
        """Give every pair an outcome."""
        groups = [list(range(len(self._pairs)))]
        while groups:
            group = groups.pop()
            if self._is_hopeless(group):
                self._give_up_on(group)
            elif not self._try(group):
                groups.extend(self._split(group))

    def _is_hopeless(self, group: list[int]) -> bool:
        """Whether the engine is broken: then it fails on the last of a group too.

        Poisons may all stand in front, where a batch has its longest pairs; nothing is scored until they are found.
        """
        seems_broken = self._poisons >= GIVE_UP_AFTER_POISONS and not self._any_scored
        return seems_broken and len(group) > TOO_FEW_TO_GIVE_UP and not self._try(group[-1:])

    def _give_up_on(self, positions: list[int]) -> None:
        for position in positions:
            self._outcomes[position] = ScoringError("the engine fails on every pair")

    def _split(self, failing: list[int]) -> list[list[int]]:
        """What is still to do after `failing` failed: its halves if it was too large, else all but the poison."""
        if self._last_was_out_of_memory and len(failing) > 1:
            return [failing[: len(failing) // 2], failing[len(failing) // 2 :]]
        untried = self._find_poison(failing)
        return [untried] if untried else []

    def _find_poison(self, failing: list[int]) -> list[int]:
        """Narrow a failing batch to one pair and blame it; returns the pairs not tried on the way."""
        untried: list[int] = []
        failed_alone = False
        while len(failing) > 1:
            middle = len(failing) // 2
            first, second = failing[:middle], failing[middle:]
            failed_alone = not self._try(first)
            failing = first if failed_alone else second
            if failed_alone:
                untried.extend(second)
        # A suspect that has only been seen failing in company, or once, may be innocent: ask it alone.
        if failed_alone or not self._try(failing):
            self._blame(failing[0])
        return untried

    def _blame(self, position: int) -> None:
        self._outcomes[position] = ScoringError("the engine failed on this pair")
        self._poisons += 1

    def _try(self, positions: list[int]) -> bool:
        try:
            logits = self._forward(self._pairs if len(positions) == len(self._pairs) else self._pairs.at(positions))
        except DeviceLostError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is the fault of some pair, or of the engine
            self._last_was_out_of_memory = is_out_of_memory(error)
            self.out_of_memory = self.out_of_memory or self._last_was_out_of_memory
            # The text of the error may quote the input, so only its type is logged.
            logger.warning("forward pass over %d pairs failed: %s", len(positions), type(error).__name__)
            return False
        if logits.shape != (len(positions),):
            logger.error("bug: %d pairs gave logits of shape %s", len(positions), logits.shape)
            return False
        outcomes = logits.tolist() if np.isfinite(logits).all() else map(_checked, logits.tolist())
        for position, outcome in zip(positions, outcomes, strict=True):
            self._outcomes[position] = outcome
        self._any_scored = True
        return True


def is_out_of_memory(error: Exception) -> bool:
    """Whether an engine's error means that the batch did not fit; torch and OpenVINO say so in the text only."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in text for sign in _OUT_OF_MEMORY)


def _checked(logit: float) -> Outcome:
    if math.isfinite(logit):
        return logit
    return NonFiniteScoreError("the model returned a score that is not a finite number for this pair")
