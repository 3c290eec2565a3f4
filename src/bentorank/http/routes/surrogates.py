"""Lone surrogates: halves of characters, as a text has them that was cut between two UTF-16 units.

JavaScript's `slice` and Python's `json.dumps` write them; no UTF-8 can. One of them must not cost the caller the
request.
"""

from __future__ import annotations

import asyncio
import re

from bentorank.errors import MalformedBodyError

# A text with more of them is none. It also bounds what they cost.
MAX_REPLACED = 10_000
# What other requests wait for at a time: some milliseconds.
PIECE_BYTES = 256 * 1024

REPLACEMENT = rb"\ufffd"
HIGH = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
LOW = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
LONE = re.compile(rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!%b)|(?<!%b\\u[dD])[c-fC-F][0-9a-fA-F]{2})" % (LOW, HIGH))
PAIR_BYTES = len(rb"\ud83d\ude00")


async def replace_lone_surrogates(body: bytes) -> tuple[bytes | bytearray, int]:
    """A JSON text with U+FFFD in place of every lone surrogate, and how many there were.

    Raises MalformedBodyError for very many.
    """
    if rb"\u" not in body:
        return body, 0
    await asyncio.sleep(0)
    # After an escaped backslash, `u` is a letter.
    escapes = body.replace(b"\\\\", b"__")
    await asyncio.sleep(0)
    mended, count = bytearray(body), 0
    for start in range(0, len(body), PIECE_BYTES):
        end = start + PIECE_BYTES
        for match in LONE.finditer(escapes, start, end + PAIR_BYTES):
            if match.start() >= end:
                break
            count += 1
            if count > MAX_REPLACED:
                raise MalformedBodyError(f"the body has more than {MAX_REPLACED} lone surrogates")
            mended[match.start() : match.end()] = REPLACEMENT
        await asyncio.sleep(0)
    return mended, count
