"""Which tokens of a passage the model reads, by the policy for passages that do not fit. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bentorank.errors import DocumentTooLongError
from bentorank.types import Overflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.types import LengthPolicy


class Reading(NamedTuple):
    """The parts of a passage that are read, as token ranges; `truncated` says that some of it is not.

    No parts: it does not fit, and is to be left out.
    """

    parts: Sequence[tuple[int, int]]
    truncated: bool


def plan_reading(tokens: int, room: int, policy: LengthPolicy, *, position: int) -> Reading:
    """What is read of a passage of `tokens` where the model has room for `room`.

    Raises DocumentTooLongError, naming the document at `position` of the request, if the policy wants that.
    """
    if tokens <= room and not policy.max_tokens_per_doc:
        return Reading([(0, tokens)], truncated=False)
    allowed = min(tokens, policy.max_tokens_per_doc or tokens)
    if allowed > room and policy.overflow is Overflow.ERROR:
        raise DocumentTooLongError(position, tokens=allowed, room=room)
    if allowed > room and policy.overflow is Overflow.LEAVE_OUT:
        return Reading([], truncated=False)
    if allowed > room and policy.overflow is Overflow.CHUNK:
        return _split(tokens, allowed, room, policy)
    kept = min(allowed, room)
    begin = tokens - kept if policy.keep_end else 0
    return Reading([(begin, begin + kept)], truncated=kept < tokens)


def _split(tokens: int, allowed: int, room: int, policy: LengthPolicy) -> Reading:
    """As few chunks as the overlap permits, all of one length: a short last one would lack context."""
    begin = tokens - allowed if policy.keep_end else 0
    overlap = min(policy.overlap_tokens, room // 2)
    wanted = -(-(allowed - overlap) // (room - overlap))
    count = min(wanted, policy.max_chunks_per_doc or wanted)
    length = room if count < wanted else -(-(allowed + (wanted - 1) * overlap) // wanted)
    starts = [begin + number * (length - overlap) for number in range(count)]
    parts = [(start, min(start + length, begin + allowed)) for start in starts]
    return Reading(parts, truncated=count < wanted or allowed < tokens)
