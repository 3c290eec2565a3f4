"""From the HTTP library's exceptions to ours, for both transports. Theirs may quote URLs; only reasons are repeated."""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpcore2
import httpx2

from bentorank_client.base_urls import server_of
from bentorank_client.errors import APIConnectionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bentorank_client.calls import Attempt

EXPIRED = (TimeoutError, httpx2.TimeoutException, httpcore2.TimeoutException)
BROKEN = (httpx2.TransportError, httpcore2.NetworkError, httpcore2.ProtocolError)
NOT_CONNECTED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpcore2.ConnectError, httpcore2.ConnectTimeout)
CONNECT_EXPIRED = (httpx2.ConnectTimeout, httpcore2.ConnectTimeout)

CLOSED = "it was closed before there was an answer, or speaks no HTTP/1.1"
WHAT_TO_DO = "start the service there (`bentorank serve`), or say with base_url or BENTORANK_BASE_URL where it runs"


@contextmanager
def sending(attempt: Attempt) -> Iterator[None]:
    """Raises APIConnectionError or APITimeoutError for what the HTTP library raises in the block."""
    try:
        yield
    except EXPIRED as error:
        # A call whose time is up is over; a server that merely does not take the connection may be tried again.
        if isinstance(error, CONNECT_EXPIRED) and attempt.deadline.left_s() > 0:
            raise _connection_error(error, attempt) from error
        raise attempt.deadline.error(server_of(attempt.base_url)) from None
    except BROKEN as error:
        raise _connection_error(error, attempt) from error


def _connection_error(error: Exception, attempt: Attempt) -> APIConnectionError:
    server = server_of(attempt.base_url)
    causes = [reason for reason in map(_reason, _causes(error)) if reason]
    if not isinstance(error, NOT_CONNECTED):
        return APIConnectionError(f"the connection to {server} was lost: {causes[0] if causes else CLOSED}")
    if isinstance(error, CONNECT_EXPIRED):
        return APIConnectionError(f"cannot connect to {server} within {attempt.connect_timeout_s:g} s; {WHAT_TO_DO}")
    reason = causes[0] if causes else type(error).__name__
    # Something answers there already if it speaks of certificates.
    hint = "" if any(isinstance(cause, ssl.SSLError) for cause in _causes(error)) else f"; {WHAT_TO_DO}"
    return APIConnectionError(f"cannot connect to {server}: {reason}{hint}")


def _reason(cause: BaseException) -> str | None:
    """In the words of the operating system or of TLS, which know no URL."""
    match cause:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted ({cause.verify_message})"
        case ssl.SSLError():
            return f"TLS failed ({(cause.reason or 'unknown').replace('_', ' ').lower()}), perhaps it speaks http alone"
        case socket.gaierror():
            return "its name was not found"
        case OSError() if cause.errno:
            return os.strerror(cause.errno).lower()
        case _:
            return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it came from; of several attempts to connect the first."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        inner = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else None
        cause = inner or cause.__cause__ or cause.__context__
