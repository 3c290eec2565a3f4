"""Time for the head of a request: who takes longer is cut off, and nobody else notices."""

import socket
import time

from support.keys import KEY


def test_a_head_that_does_not_come_is_cut_off(guarded_service, guarded_client):
    """After `BENTORANK_HEADER_TIMEOUT_S`: 408 for half a head, a closed connection for none; others are served."""
    address = ("127.0.0.1", guarded_service.port)
    with socket.create_connection(address, timeout=10) as silent, socket.create_connection(address, timeout=10) as slow:
        started = time.monotonic()
        slow.sendall(b"POST /rerank HTTP/1.1\r\nhost: t\r\nx-slow: ")
        assert guarded_client.rerank("alpha", ["alpha"]).status_code == 200
        answer = slow.recv(65536)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"request_timeout"' in answer
        assert silent.recv(1) == b""
        assert 0.8 < time.monotonic() - started < 6


def test_dripping_does_not_help(guarded_service):
    """A byte now and then does not win more time."""
    with socket.create_connection(("127.0.0.1", guarded_service.port), timeout=10) as drip:
        drip.sendall(b"GET / HTTP/1.1\r\nx: ")
        started = time.monotonic()
        drip.settimeout(0.2)
        answer = b""
        while not answer and time.monotonic() - started < 8:
            try:
                drip.sendall(b"a")
                answer = drip.recv(65536)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_kept_connection_starts_anew(guarded_service):
    """The second request on a connection has its own time, and idling between them is not counted."""
    head = f"GET /v1/models/served HTTP/1.1\r\nhost: t\r\nx-api-key: {KEY}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", guarded_service.port), timeout=10) as kept:
        for pause_s in (0, 1.5, 0.5):
            time.sleep(pause_s)
            kept.sendall(head[:10])
            time.sleep(0.4)
            kept.sendall(head[10:])
            answer = b""
            while not answer.endswith(b"}"):
                answer += kept.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 ")


def test_the_size_of_a_head_is_limited(guarded_client):
    """A head within `BENTORANK_MAX_HEADER_BYTES` passes; test_nasty_inputs.py has one past it."""
    assert guarded_client.get("/info", headers={"x-long": "a" * 3000}).status_code == 200
