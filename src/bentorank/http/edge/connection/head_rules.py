"""What llhttp lets through and RFC 9112 does not: versions, Host, Transfer-Encoding. Pure functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bentorank.errors import (
    HeadTooLargeError,
    HttpVersionError,
    InvalidRequestError,
    MalformedRequestError,
    NotImplementedByServerError,
)
from bentorank.http.edge.connection.limits import MAX_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    Header = tuple[bytes, bytes]

VERSIONS = frozenset({"1.0", "1.1"})
# RFC 3986's host and port, by their characters; a user name has no place here.
HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
FRAMING_HEADERS = frozenset({b"content-length", b"transfer-encoding"})


def check_version(version: str) -> None:
    """Raises HttpVersionError for what is neither HTTP/1.0 nor 1.1."""
    if version not in VERSIONS:
        raise HttpVersionError("the request is not HTTP/1.1 or 1.0")


def check_head(version: str, method: bytes, headers: list[Header]) -> None:
    """Raises what a head is to be refused with. Names are in lower case."""
    check_version(version)
    if method == b"CONNECT":
        raise NotImplementedByServerError("CONNECT: this is no proxy")
    if len(headers) > MAX_HEADERS:
        raise HeadTooLargeError(f"headers: more than the limit of {MAX_HEADERS} lines")
    hosts = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if not HOST.fullmatch(value):
                raise MalformedRequestError("Host: must be a host and perhaps a port", field="Host")
        elif name == b"transfer-encoding":
            _check_transfer_coding(version, value)
    if hosts > 1 or (not hosts and version == "1.1"):
        raise MalformedRequestError("Host: HTTP/1.1 needs exactly one", field="Host")


def body_length(headers: Iterable[Header]) -> int | None:
    """The bytes of body that a checked head announces; None where they come in chunks."""
    for name, value in headers:
        if name == b"content-length":
            return int(value)
        if name == b"transfer-encoding":
            return None
    return 0


def framing_head(headers: Iterable[Header]) -> bytes:
    """A head that says of its body what `headers` do, and nothing else."""
    lines = (name + b": " + value for name, value in headers if name in FRAMING_HEADERS)
    return b"\r\n".join((b"POST / HTTP/1.1", *lines, b"", b""))


def _check_transfer_coding(version: str, value: bytes) -> None:
    # The parser has refused chunks that are not last, and a second header of this name.
    if version == "1.0":
        raise _transfer_coding_error(MalformedRequestError, "HTTP/1.0 has none")
    codings = [coding.strip().lower() for coding in value.split(b",")]
    if codings != [b"chunked"]:
        raise _transfer_coding_error(NotImplementedByServerError, "only chunked is read")


def _transfer_coding_error(kind: type[InvalidRequestError], reason: str) -> InvalidRequestError:
    return kind(f"Transfer-Encoding: {reason}", field="Transfer-Encoding")
