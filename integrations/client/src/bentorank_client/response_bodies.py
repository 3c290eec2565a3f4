"""Answers are read into memory up to a limit."""

from __future__ import annotations

from bentorank_client.calls import MAX_RESPONSE_BYTES
from bentorank_client.errors import InvalidResponseError


class SizedBody:
    """The parts of a body as they come. Raises InvalidResponseError past the limit."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: bytes) -> None:
        """One more part."""
        self._size += len(part)
        if self._size > MAX_RESPONSE_BYTES:
            raise InvalidResponseError(f"the answer is longer than {MAX_RESPONSE_BYTES} bytes; check base_url")
        self._parts.append(part)

    @property
    def content(self) -> bytes:
        """All of it."""
        return b"".join(self._parts)
