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


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """`body_timeout_s` counts for the body of a request, for its answer, and for what is read to be discarded.

    Of answers so many `max_unread_bytes` may wait to be read, on all connections together.
    """

    header_timeout_s: float
    max_header_bytes: int
    body_timeout_s: float
    max_connections: int
    max_unread_bytes: int
