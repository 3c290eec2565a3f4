"""Bodies are counted as they stream in; reading stops at the limit, whatever Content-Length said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentorank.errors import MalformedBodyError, PayloadTooLargeError

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope

    from bentorank.http.edge.request_context import RequestContext


def check_declared_length(scope: Scope, max_body_bytes: int) -> None:
    """Raises PayloadTooLargeError when Content-Length alone says that the body is too large."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit():
                raise MalformedBodyError("Content-Length: must be a number", field="Content-Length")
            if int(value) > max_body_bytes:
                raise _too_large(max_body_bytes)


def limited(receive: Receive, context: RequestContext, max_body_bytes: int) -> Receive:
    """`receive`, raising PayloadTooLargeError once more than `max_body_bytes` of body have come in."""
    received = 0

    async def receive_within_limit() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > max_body_bytes:
            context.error = _too_large(max_body_bytes)
            raise context.error
        return message

    return receive_within_limit


def _too_large(max_body_bytes: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"body: more than the limit of {max_body_bytes} bytes", field="body")
