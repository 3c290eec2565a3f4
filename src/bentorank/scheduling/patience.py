"""How long a forward pass may take before it counts as stuck."""

from __future__ import annotations

from collections import deque

# Attention grows with the square of the length: 8,192 tokens cost five times as much in one pair as in short ones.
TIMES_AS_SLOW = 10.0
PASSES = 64


class Patience:
    """Ten times as long as the slowest of the last passes would take for as many tokens, and never less than a minimum.

    So a large model on a slow CPU, whose honest passes take minutes, is not taken for stuck, and a fast one is soon.
    """

    def __init__(self, at_least_s: float, overhead_tokens: int) -> None:
        """`overhead_tokens` is what a pass costs beside its tokens, expressed in tokens."""
        self._at_least_s = at_least_s
        self._overhead_tokens = overhead_tokens
        self._seconds_per_token: deque[float] = deque(maxlen=PASSES)

    def learn(self, tokens: int, seconds: float) -> None:
        """A pass of so many tokens ended after `seconds`."""
        self._seconds_per_token.append(seconds / (tokens + self._overhead_tokens))

    def limit_s(self, tokens: int) -> float:
        """How long a pass of so many tokens may take."""
        slowest = max(self._seconds_per_token, default=0.0)
        return max(self._at_least_s, TIMES_AS_SLOW * slowest * (tokens + self._overhead_tokens))
