"""By when a request wants its answer: X-Request-Timeout, grpc-timeout, deadline_ms."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.contract import check_envelope
from support.metrics import Scrape
from support.server import wait_until


@pytest.mark.parametrize(
    "headers",
    [
        {"x-request-timeout": "5"},
        {"x-request-timeout": "2.5"},
        {"x-request-timeout": "999999999"},
        {"grpc-timeout": "5S"},
        {"grpc-timeout": "5000m"},
        {"grpc-timeout": "99999999H"},
        {"x-request-timeout": "5", "grpc-timeout": "6S"},
    ],
    ids=str,
)
def test_a_generous_deadline_changes_nothing(client, headers):
    """Any valid way to say it."""
    assert client.rerank(headers=headers, deadline_ms=60_000).status_code == 200


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Request-Timeout", value)
        for value in ("", "0", "-1", "abc", "1e3", "inf", "nan", "0x10", "1,5", "5s", "1.", ".5", "٣", "9" * 10, "0.0")
    ]
    + [("grpc-timeout", value) for value in ("", "5", "S", "0S", "-1S", "123456789S", "1.5S", "5s", "5 S", "٣S")],
)
def test_a_header_that_is_no_duration_is_a_400(client, header, value):
    """A deadline that cannot be read is not ignored: the caller would wait longer than it wanted."""
    response = client.rerank(headers={header: value.encode()})
    assert response.status_code == 400
    assert check_envelope(response)["message"].startswith(f"{header}: must be")


@pytest.mark.parametrize(
    ("headers", "options"),
    [
        ({"x-request-timeout": "0.000001"}, {}),
        ({"grpc-timeout": "1n"}, {}),
        ({}, {"deadline_ms": 0.001}),
        ({"x-request-timeout": "60", "grpc-timeout": "1H"}, {"deadline_ms": 0.001}),
        ({"x-request-timeout": "60", "grpc-timeout": "1u"}, {"deadline_ms": 60_000}),
    ],
    ids=str,
)
def test_the_smallest_deadline_counts(client, headers, options):
    """What has passed already is a 504."""
    response = client.rerank(headers=headers, **options)
    assert response.status_code == 504
    assert check_envelope(response)["code"] == "deadline_exceeded"


@pytest.mark.parametrize(
    ("headers", "options"),
    [({"x-request-timeout": "0.3"}, {}), ({"grpc-timeout": "300m"}, {}), ({}, {"deadline_ms": 300})],
    ids=str,
)
def test_a_deadline_that_passes_is_answered_when_it_passes(slow_client, slow_service, headers, options):
    """Behind a forward pass of 1.1 s, whoever can wait 0.3 s hears after 0.3 s that it was not enough."""
    with ThreadPoolExecutor(1) as threads:
        slow_client.rerank("a", ["w " * 38])
        running = threads.submit(slow_client.rerank, "a", ["w " * 178])
        wait_until(lambda: Scrape(slow_service.url)("rerank_active_requests") == 1, within_s=5, every_s=0.01)
        started = time.monotonic()
        response = slow_client.rerank("a", ["b"], headers=headers, **options)
        waited_s = time.monotonic() - started
        assert running.result().status_code == 200
    assert response.status_code == 504
    assert check_envelope(response)["message"] == "the deadline passed before every document was scored"
    assert 0.29 < waited_s < 0.9


def test_the_time_that_a_body_takes_counts(service):
    """The caller's clock runs while it sends: an answer after that time would reach nobody."""
    body = b'{"query": "a", "documents": ["a"], "deadline_ms": 400}'
    head = b"POST /rerank HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(head % len(body) + body[:10])
        time.sleep(0.6)
        connection.sendall(body[10:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 504 ")
