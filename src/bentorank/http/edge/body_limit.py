"""Bodies are counted as they stream in; reading stops at the limit, whatever Content-Length said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentorank.errors import MalformedBodyError, OverloadedError, PayloadTooLargeError

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope

    from bentorank.http.edge.request_context import RequestContext


# The beginning of each body has room in any case, this part of all room: else a few large ones that take their time to
# come in would keep ordinary requests out. Of the default it is 256 KiB, a hundred documents of 2,500 bytes.
PART_FOR_EACH = 128


class BodyLimits:
    """What one body may have, and all together that are in the service: memory ends for all requests at once."""

    def __init__(self, max_body_bytes: int, max_bodies_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._max_bodies_bytes = max_bodies_bytes
        self._free_bytes = max_bodies_bytes // PART_FOR_EACH
        self._taken = 0

    def check_declared_length(self, scope: Scope) -> None:
        """Raises PayloadTooLargeError or OverloadedError when Content-Length alone says that the body is too large."""
        for name, value in scope["headers"]:
            if name == b"content-length":
                if not value.isdigit():
                    raise MalformedBodyError("Content-Length: must be a number", field="Content-Length")
                self.check_one(int(value))
                self._check_room(self._counted(int(value)))

    def check_one(self, body_bytes: int) -> None:
        """Raises PayloadTooLargeError."""
        if body_bytes > self._max_body_bytes:
            raise PayloadTooLargeError(f"body: more than the limit of {self._max_body_bytes} bytes", field="body")

    def grow(self, before_bytes: int, after_bytes: int) -> None:
        """A body has so many bytes instead of so many. Raises OverloadedError where they do not fit."""
        more_bytes = self._counted(after_bytes) - self._counted(before_bytes)
        self._check_room(more_bytes)
        self._taken += more_bytes

    def forget(self, body_bytes: int) -> None:
        """A body of so many bytes is gone."""
        self._taken -= self._counted(body_bytes)

    def _counted(self, body_bytes: int) -> int:
        return max(0, body_bytes - self._free_bytes)

    def _check_room(self, more_bytes: int) -> None:
        if more_bytes and self._taken + more_bytes > self._max_bodies_bytes:
            raise OverloadedError(
                f"body: all in the service together would have more than the limit of {self._max_bodies_bytes} bytes",
                retry_after_s=1,
            )


class LimitedBody:
    """The body of one request. Its bytes count until `forget`, since the texts made of them are as large."""

    def __init__(self, receive: Receive, context: RequestContext, limits: BodyLimits) -> None:
        self._receive = receive
        self._context = context
        self._limits = limits
        self._received = 0

    async def receive(self) -> Message:
        """The next message. Raises PayloadTooLargeError or OverloadedError, and tells the context."""
        message = await self._receive()
        received = self._received + len(message.get("body", b""))
        try:
            self._limits.check_one(received)
            self._limits.grow(self._received, received)
        except (PayloadTooLargeError, OverloadedError) as error:
            self._context.error = error
            raise
        self._received = self._context.body_bytes = received
        return message

    def forget(self) -> None:
        """The request is answered."""
        self._limits.forget(self._received)
        self._received = 0
