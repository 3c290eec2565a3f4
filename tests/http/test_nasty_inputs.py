"""Bytes that no client library would send: each has its status, and the server goes on serving."""

from __future__ import annotations

import gzip
import json
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.server import Server

GOOD = b'{"query": "alpha", "documents": ["alpha beta"]}'


def answered(service: Server, request: bytes, *, then_close: bool = False) -> tuple[int, bytes]:
    """Status and body of the answer to raw bytes; status 0 when the connection is closed without one."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(request)
        if then_close:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return (int(answer.split()[1]) if answer else 0), answer.partition(b"\r\n\r\n")[2]


def post(service: Server, body: bytes, *headers: str, path: str = "/rerank", length: int | None = None):
    """POST raw bytes."""
    sent = ["host: test", "content-type: application/json", "connection: close", *headers]
    if not any(header.startswith("transfer-encoding") for header in headers):
        sent.append(f"content-length: {len(body) if length is None else length}")
    head = f"POST {path} HTTP/1.1\r\n" + "\r\n".join(sent) + "\r\n\r\n"
    return answered(service, head.encode("latin-1") + body, then_close=length is not None and length > len(body))


@pytest.fixture(autouse=True)
def goes_on_serving(service):
    """After each of them a good request has its answer."""
    yield
    status, body = post(service, GOOD)
    assert status == 200
    assert json.loads(body)["results"][0]["index"] == 0


BODIES = {
    "NaN": (b'{"query": "a", "documents": ["b"], "score_threshold": NaN}', 400, "not valid JSON"),
    "Infinity": (b'{"query": "a", "documents": ["b"], "deadline_ms": Infinity}', 400, "not valid JSON"),
    "a number past every float": (b'{"query": "a", "documents": ["b"], "score_threshold": 1e999}', 400, ""),
    "two byte order marks": (b"\xef\xbb\xbf" * 2 + GOOD, 400, "not valid JSON"),
    "UTF-16": (GOOD.decode().encode("utf-16"), 400, "not valid JSON"),
    "bytes that are no UTF-8": (b'{"query": "\xff\xfe", "documents": ["b"]}', 400, "not valid JSON"),
    "a surrogate as UTF-8": (b'{"query": "\xed\xa0\x80", "documents": ["b"]}', 400, "not valid JSON"),
    "half of it with a lone surrogate": (b'{"query": "\\ud800", "documents": ["b"', 400, "not valid JSON"),
    "surrogates without end": (
        b'{"query": "a", "documents": ["' + b"\\ud800" * 10_001 + b'"]}',
        400,
        "the body has more than 10000 lone surrogates",
    ),
    "200,000 brackets": (b"[" * 200_000, 400, ""),
    "200,000 brackets in a field": (
        b'{"query": "a", "documents": ["b"], "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        400,
        "",
    ),
    "65 levels in an unknown field": (
        b'{"query": "a", "documents": ["b"], "x": ' + b"[" * 65 + b"]" * 65 + b"}",
        400,
        "nested deeper than the limit of 64 levels",
    ),
    "nothing": (b"", 400, "not valid JSON"),
    "half of it": (GOOD[:20], 400, "not valid JSON"),
    "two objects": (GOOD + GOOD, 400, "not valid JSON"),
    "a trailing comma": (GOOD[:-1] + b",}", 400, "not valid JSON"),
    "a comment": (b"/* */" + GOOD, 400, "not valid JSON"),
    "single quotes": (GOOD.replace(b'"', b"'"), 400, "not valid JSON"),
    "a list": (b"[" + GOOD + b"]", 400, "must be a JSON object"),
    "a text": (b'"alpha"', 400, "must be a JSON object"),
    "null": (b"null", 400, "must be a JSON object"),
    "null documents": (b'{"query": "a", "documents": null}', 400, "documents: must be a list"),
    "a null document": (b'{"query": "a", "documents": [null]}', 400, "documents[0]: must be"),
    "a null query": (b'{"query": null, "documents": ["b"]}', 400, "query: must be a valid string"),
    "a query of white space": (
        '{"query": "\u2003\u00a0", "documents": ["b"]}'.encode(),
        400,
        "query: must not be blank",
    ),
    "an integer of 400 digits": (b'{"query": "a", "documents": ["b"], "top_k": ' + b"9" * 400 + b"}", 400, ""),
    "a negative zero": (b'{"query": "a", "documents": ["b"], "top_k": -0}', 400, "top_k: must be greater"),
}


@pytest.mark.parametrize(("body", "status", "message"), BODIES.values(), ids=BODIES.keys())
def test_a_bad_body_has_its_status(service, body, status, message):
    """An error of ours that says what is wrong."""
    answer, content = post(service, body)
    assert answer == status, content
    assert message in json.loads(content)["message"]


ACCEPTED = {
    "duplicate keys: the last one counts": b'{"query": "x", "query": "alpha", "documents": ["alpha beta"]}',
    "NUL in a text": b'{"query": "alpha\\u0000", "documents": ["alpha \\u0000 beta"]}',
    "control characters and right-to-left marks": b'{"query": "alpha \\u202e\\u0007", "documents": ["alpha \\u200f"]}',
    "an emoji of two surrogates": b'{"query": "alpha", "documents": ["\\ud83d\\ude00 alpha"]}',
    "an empty document": b'{"query": "alpha", "documents": ["alpha", ""]}',
    "unknown fields": b'{"query": "alpha", "documents": ["alpha"], "__proto__": {"a": 1}, "constructor": null}',
    "white space around": b"\n\t " + GOOD + b" \r\n",
    "a whole number written as a float": b'{"query": "alpha", "documents": ["alpha"], "top_k": 1.0}',
    "64 levels": b'{"query": "alpha", "documents": ["alpha"], "x": ' + b"[" * 63 + b"]" * 63 + b"}",
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_odd_but_good_bodies_are_ranked(service, body):
    """What JSON allows and the fields do not forbid has an answer."""
    status, content = post(service, body)
    assert status == 200, content
    assert json.loads(content)["results"][0]["index"] == 0


def test_compressed_bodies_are_refused(service):
    """Whatever they would unpack to: 415 before anything is unpacked."""
    status, content = post(service, gzip.compress(GOOD), "content-encoding: gzip")
    assert status == 415
    assert "Content-Encoding" in json.loads(content)["message"]


def test_a_body_shorter_than_declared_is_never_answered(service):
    """The sender hung up in the middle: nobody waits for an answer, and nothing is ranked."""
    status, _ = post(service, GOOD, length=len(GOOD) + 100)
    assert status in (0, 499)


@pytest.mark.parametrize("length", ["-1", "ten", "1e3", "0x10", "99999999999999999999999"])
def test_a_content_length_that_is_no_length_is_refused(service, length):
    """By the HTTP parser itself, or by the limit."""
    head = f"POST /rerank HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    status, _ = answered(service, head.encode() + GOOD)
    assert status in (400, 413)


def test_two_lengths_are_refused(service):
    """A second Content-Length, or one beside chunks, is how requests are smuggled."""
    both = post(service, b"0\r\n\r\n", "transfer-encoding: chunked", "content-length: 5")
    assert both[0] == 400
    assert post(service, GOOD, "content-length: 4")[0] == 400


def test_a_body_is_refused_by_its_declared_size(service):
    """11 GB are not waited for."""
    status, content = post(service, b"", length=11 * 10**9)
    assert status == 413
    assert "limit of 10485760 bytes" in json.loads(content)["message"]


@pytest.mark.parametrize(
    "request_bytes",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"\x00" * 100, b"POST /rerank HTTP/9.9\r\n\r\n"],
    ids=["TLS", "no path", "zeros", "no such version"],
)
def test_what_is_not_http_is_refused(service, request_bytes):
    """400 or 505, or the connection is closed."""
    status, _ = answered(service, request_bytes, then_close=True)
    assert status in (0, 400, 505)


def test_a_huge_head_is_refused(service):
    """Headers without end are cut off at 64 KiB."""
    status, content = answered(service, b"GET / HTTP/1.1\r\nhost: t\r\nx: " + b"a" * 400_000)
    assert status == 431
    assert json.loads(content)["message"] == "headers: more than the limit of 65536 bytes"


@pytest.mark.parametrize(
    "path", ["/v1/models/%00", "/v1/models/a%0ab", "//v1/models/%00", "/../etc/passwd", "/v1/../rerank"]
)
def test_odd_paths_are_not_found(service, path):
    """404, in our own words."""
    status, content = answered(service, f"GET {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n".encode())
    assert status == 404
    assert json.loads(content)["code"] == "not_found"
