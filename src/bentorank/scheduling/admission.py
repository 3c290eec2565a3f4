"""Whether a request may join the queue. Refusing at once is kinder than a timeout. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from bentorank.errors import DeadlineExceededError, OverloadedError, PayloadTooLargeError, Refusal

MAX_RETRY_AFTER_S = 60
# Before tokenising, a size is a guess, the speed a measurement, and smaller requests still to come will overtake. Under
# three times the load 1.3 lets 6.5 % in that are late, 1.15 lets 9 % in; the goodput is the same.
WAITING_MARGIN = 1.3


@dataclass(frozen=True, slots=True)
class QueueState:
    """What waits: tokens and requests being tokenised, queued or computing, and the speed they are worked off at.

    `tokens_per_s` is None until the first forward pass was timed; then nothing is predicted. `others` is what each
    other model has to do on the device, in tokens that this one would compute in that time.
    """

    tokens: int
    requests: int
    tokens_per_s: float | None
    others: tuple[float, ...] = ()

    def among_others(self, tokens: float) -> float:
        """What the device has computed when so many tokens of this model are done, each model having an equal share."""
        return tokens + sum(min(other, tokens) for other in self.others) if self.others else tokens


class AdmissionCheck(Protocol):
    """`check_before_tokenising` or `check_admission`."""

    def __call__(self, tokens: int, state: QueueState, /, *, max_queue_tokens: int, remaining_s: float | None) -> None:
        """Raise if that many tokens may not join the queue."""
        ...


def check_before_tokenising(
    about_tokens: int, state: QueueState, *, max_queue_tokens: int, remaining_s: float | None
) -> None:
    """Refuse a request of about so many tokens that would have to wait for too long behind the others.

    Raises OverloadedError. What its own size forbids is left to `check_admission`, which knows that.
    """
    if about_tokens <= max_queue_tokens:
        _check_room(about_tokens, state, max_queue_tokens)
    if remaining_s is not None and state.tokens_per_s and about_tokens / state.tokens_per_s <= remaining_s:
        _check_wait(about_tokens, state, state.tokens_per_s, remaining_s, margin=WAITING_MARGIN)


def check_admission(
    request_tokens: int, state: QueueState, *, max_queue_tokens: int, remaining_s: float | None
) -> None:
    """Refuse what cannot be served in time.

    Raises PayloadTooLargeError when the request alone exceeds the queue, OverloadedError when it does not fit beside
    what is queued or would wait past its deadline, DeadlineExceededError when it would be late even on an idle device.
    """
    if request_tokens > max_queue_tokens:
        raise PayloadTooLargeError(
            f"documents: {request_tokens} tokens to score, more than the limit of {max_queue_tokens}"
            " (max_queue_tokens); send fewer or shorter documents",
            field="documents",
        )
    _check_room(request_tokens, state, max_queue_tokens)
    if remaining_s is not None and state.tokens_per_s:
        _check_alone(request_tokens, state.tokens_per_s, remaining_s)
        _check_wait(request_tokens, state, state.tokens_per_s, remaining_s)


def _check_room(request_tokens: int, state: QueueState, max_queue_tokens: int) -> None:
    excess = state.tokens + request_tokens - max_queue_tokens
    if excess > 0:
        raise OverloadedError(
            f"the queue is full: {state.tokens} of {max_queue_tokens} tokens are waiting",
            retry_after_s=retry_after_s(excess, state.tokens_per_s),
            refusal=Refusal.QUEUE_FULL,
        )


def _check_alone(request_tokens: int, tokens_per_s: float, remaining_s: float) -> None:
    alone_s = request_tokens / tokens_per_s
    if alone_s > remaining_s:
        raise DeadlineExceededError(
            f"scoring {request_tokens} tokens takes about {alone_s:.1f} s here, more than the {remaining_s:.1f} s that"
            " the deadline leaves; send fewer documents or a longer deadline",
            refusal=Refusal.DEADLINE,
        )


def _check_wait(
    request_tokens: int, state: QueueState, tokens_per_s: float, remaining_s: float, *, margin: float = 1.0
) -> None:
    if not state.tokens and not state.others:
        return
    # Fair queueing finishes a request no later than an equal share of the device would.
    fair_share = request_tokens * (state.requests + 1)
    whole_queue = state.tokens + request_tokens
    wait_s = state.among_others(min(fair_share, whole_queue)) / tokens_per_s * margin
    if wait_s > remaining_s:
        raise OverloadedError(
            f"the work queued ahead may take {wait_s:.1f} s, more than the {remaining_s:.1f} s that the deadline"
            " leaves",
            retry_after_s=retry_after_s(math.ceil((wait_s - remaining_s) * tokens_per_s), tokens_per_s),
            refusal=Refusal.DEADLINE,
        )


def retry_after_s(tokens_to_clear: float, tokens_per_s: float | None) -> int:
    """Whole seconds until `tokens_to_clear` have been worked off; 1 while the speed is unknown."""
    if not tokens_per_s:
        return 1
    return min(MAX_RETRY_AFTER_S, max(1, math.ceil(tokens_to_clear / tokens_per_s)))
