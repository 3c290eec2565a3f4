"""What a cache knows of a document, and its form in bytes: five for most, twelve more for each further chunk."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from bentorank.types import ScoredChunk, ScoredDocument, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

_TRUNCATED, _QUERY_TRUNCATED, _SPLIT = 1, 2, 4

_WHOLE = struct.Struct("<Bf")  # flags, logit
_CHUNK = struct.Struct("<fII")  # logit, start and end of its span


def pack(document: ScoredDocument) -> bytes | None:
    """The document in bytes, or None if it has numbers that no engine gives."""
    chunks = document.chunks
    logit, truncated, span = chunks[0]
    flags = (_TRUNCATED if truncated else 0) | (_QUERY_TRUNCATED if document.query_truncated else 0)
    try:
        if span is None:
            return _WHOLE.pack(flags, logit)
        return bytes([flags | _SPLIT]) + b"".join(_pack_chunks(chunks))
    except (OverflowError, struct.error):
        return None


def _pack_chunks(chunks: tuple[ScoredChunk, ...]) -> Iterator[bytes]:
    for logit, _, span in chunks:
        assert span is not None, "bug: a document is split, or it is not"
        yield _CHUNK.pack(logit, *span)


def unpack(data: bytes) -> ScoredDocument | None:
    """What `pack` made `data` of, or None if it did not make it."""
    if len(data) == _WHOLE.size:
        flags, logit = _WHOLE.unpack(data)
        if flags >= _SPLIT or not math.isfinite(logit):
            return None
        return ScoredDocument((ScoredChunk(logit, bool(flags & _TRUNCATED)),), bool(flags & _QUERY_TRUNCATED))
    return _unpack_split(data)


def _unpack_split(data: bytes) -> ScoredDocument | None:
    if len(data) <= 1 or (len(data) - 1) % _CHUNK.size or data[0] & ~(_TRUNCATED | _QUERY_TRUNCATED) != _SPLIT:
        return None
    truncated = bool(data[0] & _TRUNCATED)
    read = list(_CHUNK.iter_unpack(data[1:]))
    if not all(math.isfinite(logit) and start <= end for logit, start, end in read):
        return None
    chunks = tuple(ScoredChunk(logit, truncated, Span(start, end)) for logit, start, end in read)
    return ScoredDocument(chunks, bool(data[0] & _QUERY_TRUNCATED))
