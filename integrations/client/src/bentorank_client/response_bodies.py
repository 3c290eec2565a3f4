"""Answers are read into memory up to a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentorank_client.base_urls import server_of
from bentorank_client.calls import MAX_RESPONSE_BYTES
from bentorank_client.errors import InvalidResponseError
from bentorank_client.wire import HttpResponse

if TYPE_CHECKING:
    import httpx2

    from bentorank_client.calls import Attempt


class SizedBody:
    """The parts of a body as they come. Raises InvalidResponseError past the limit."""

    def __init__(self, attempt: Attempt) -> None:
        self._server = server_of(attempt.base_url)
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: bytes) -> None:
        """One more part."""
        self._size += len(part)
        if self._size > MAX_RESPONSE_BYTES:
            raise InvalidResponseError(
                f"the answer of {self._server} is longer than {MAX_RESPONSE_BYTES} bytes; check base_url"
            )
        self._parts.append(part)

    def response(self, answer: httpx2.Response) -> HttpResponse:
        """The answer with all of its body."""
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return HttpResponse(answer.status_code, headers, b"".join(self._parts), self._server)
