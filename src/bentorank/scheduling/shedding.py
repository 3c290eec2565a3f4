"""Refusing by a target for waiting: a queue that stands for long delays everybody and helps nobody.

Not thread-safe: the scheduler's lock guards it.
"""

from __future__ import annotations

from bentorank.errors import OverloadedError, Refusal
from bentorank.scheduling.admission import retry_after_s
from bentorank.scheduling.speed import Speedometer

# At .8 of the capacity, with random arrivals, more than 20 requests share the device for a hundredth of the time. So a
# longer wait is no accident of a load that can be borne, and about ten callers who wait for an answer before they ask
# again are always served: one that was served before its share is over counts beside its next.
OWN_WORKS = 20
# Of what is queued and what comes meanwhile: while it waits, smaller ones overtake it. With 2, goodput is .91 where
# sizes differ, since large requests are let in too easily, with 3 it is .99 at the same p99.
OVERTAKEN = 3
# Requests much smaller than a pass share passes: they wait for some passes, however little work they are.
PASSES = 4
# Until one is refused: callers who come together fill a queue that drains.
BURST = 1.5
# After a refusal neither that nor the target in seconds counts for so long: what fills the queue is no burst.
OVERLOADED_FOR_S = 5.0
# A speed measured before that is none of a queue that has begun to stand since.
SPEED_IS_VALID_S = 5.0


class Shedding:
    """Says who would wait too long behind others: longer than `target_wait_s`, and than is ordinary for its own work.

    Only a queue that stands sheds: one of which the last pass left more than another pass takes. Its speed is that of
    such passes, since those of a queue that is soon empty are small and say little of what the device can do.
    """

    def __init__(self, target_wait_s: float, pass_tokens: int) -> None:
        """`pass_tokens` are those of a full pass on every stream."""
        self._target_wait_s = target_wait_s
        self._pass_tokens = pass_tokens
        self._speed = Speedometer()
        self._stands = False
        self._overloaded_until = float("-inf")

    def take(self, left_tokens: int, now: float) -> None:
        """A pass was taken out of the queue, and so many tokens were left in it."""
        stands = left_tokens >= self._pass_tokens
        if stands and not self._stands:
            self._speed.forget_before(now - SPEED_IS_VALID_S)
        self._stands = stands

    def record(self, tokens: int, seconds: float, now: float) -> None:
        """Take one forward pass that ended `now` into account."""
        if self._stands:
            self._speed.record(tokens, seconds, now)

    def check(self, tokens: int, queued_tokens: int, callers: int, now: float) -> None:
        """Raises OverloadedError if a request of so many tokens would wait too long behind those of other callers.

        `callers` is how many would share the device with it.
        """
        tokens_per_s = self._speed.tokens_per_s
        if not self._stands or not tokens_per_s:
            return
        # Fair queueing lets it wait for no more of each other than it is itself.
        ahead = min(tokens * callers, OVERTAKEN * queued_tokens)
        allowed = self._allowed(tokens, tokens_per_s, now)
        if ahead <= allowed:
            return
        self._overloaded_until = now + OVERLOADED_FOR_S
        raise OverloadedError(
            f"others' work may take {ahead / tokens_per_s:.1f} s, and such a request waits here for"
            f" {allowed / tokens_per_s:.1f} s at most",
            retry_after_s=retry_after_s(ahead - allowed, tokens_per_s),
            refusal=Refusal.TARGET_WAIT,
        )

    def _allowed(self, tokens: int, tokens_per_s: float, now: float) -> float:
        """Tokens of others that a request of so many may have to wait for."""
        ordinary = max(OWN_WORKS * tokens, PASSES * self._pass_tokens)
        if now < self._overloaded_until:
            return ordinary
        return max(BURST * ordinary, self._target_wait_s * tokens_per_s)
