"""What one connection may take: bytes and seconds for each of its states."""

from __future__ import annotations

from dataclasses import dataclass

# Lines of one head. Proxies add a dozen; each costs time on the event loop.
MAX_HEADERS = 200
# Of pipelined requests: what may wait, unparsed, behind the one that is being answered.
MAX_HELD_BYTES = 65_536
# Of chunk sizes and their extensions, for each byte of body; a one-byte chunk is framed by five, without an extension.
FRAMING_PER_BODY_BYTE = 16
# A client that sends all before it reads has to be read to the end, or its answer is lost in a reset.
MAX_DISCARDED_BYTES = 64 * 1024 * 1024
DISCARD_SILENCE_S = 2.0
# What an answer may take beyond the time for a body, so that large ones reach slow lines.
MIN_ANSWER_BYTES_PER_S = 65_536
# Where answers that wait take too much memory together: who is slower than a line of 8 Mbit/s goes first, if it has had
# a second to begin; and, at so many times too much, whoever is the slowest.
SLOW_BYTES_PER_S = 1_000_000
SLOW_AFTER_S = 1.0
FAR_TOO_MUCH = 4


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """`body_timeout_s` counts for the body of a request, for its answer, and for what is read to be discarded.

    Of answers so many `max_unread_bytes` may wait for those who read slowly, on all connections together; for all who
    read, FAR_TOO_MUCH times that.
    """

    header_timeout_s: float
    max_header_bytes: int
    body_timeout_s: float
    max_connections: int
    max_unread_bytes: int
