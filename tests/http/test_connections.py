"""One connection, told by its bytes: what is refused, what is bounded, what ends; each against a real server."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from support.contract import ENVELOPE_FIELDS
from support.keys import KEY

GOOD = b'{"query": "alpha", "documents": ["alpha beta"]}'
MAX_HEAD = 4096
BODY_TIMEOUT_S = 3


@pytest.fixture(scope="module")
def strict(fleet):
    """A server with keys, small limits for connections, and passes of half a second."""
    return fleet(
        "connections",
        engine="fake",
        api_keys=KEY,
        header_timeout_s=1,
        max_header_bytes=MAX_HEAD,
        body_timeout_s=BODY_TIMEOUT_S,
        fake_batch_delay_ms=500,
    )


@contextlib.contextmanager
def connected(service, timeout_s=20.0):
    with socket.create_connection(("127.0.0.1", service.port), timeout=timeout_s) as connection:
        yield connection


def until_end(connection):
    """All that comes until the server ends the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            received += piece
    return received


def one_answer(connection):
    """Status and body of the next answer, which says how long it is; what comes after it stays unread."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, head
        head += byte
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(head.split()[1]), connection.recv(length, socket.MSG_WAITALL)


def exchanged(service, request):
    """What comes back for raw bytes until the connection ends."""
    with connected(service) as connection:
        connection.sendall(request)
        return until_end(connection)


def check_refused(answer, status):
    """One answer with this status, in the one shape, and nothing after it."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert headers[b"connection"] == b"close"
    assert headers[b"content-type"] == b"application/json"
    content = json.loads(body)
    assert set(content) == ENVELOPE_FIELDS
    assert content["request_id"] == headers[b"x-request-id"].decode()
    return content


def head(*headers, path="/rerank", method="POST", key=KEY):
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "content-type: application/json", f"x-api-key: {key}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def rss_mb(service):
    return sum(psutil.Process(pid).memory_info().rss for pid in service.worker_pids) / 1e6


PLAIN = b"POST /livez HTTP/1.1\r\nHost: x\r\n"
CHUNKED = head("transfer-encoding: chunked")

REFUSED = {
    "no Host": (b"GET /livez HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    "a Host that is none": (b"GET /livez HTTP/1.1\r\nHost: a/b c\r\n\r\n", 400),
    "HTTP/2.0": (b"GET /livez HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/0.9": (b"GET /livez\r\n\r\n", 505),
    "HTTP/9.9": (b"GET /livez HTTP/9.9\r\nHost: x\r\n\r\n", 505),
    "gzip, chunked": (PLAIN + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "gzip": (PLAIN + b"Transfer-Encoding: gzip\r\n\r\n", 501),
    "xchunked": (PLAIN + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "chunks in HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked twice": (PLAIN + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "a length and chunks": (PLAIN + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunks and a length": (PLAIN + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (PLAIN + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", 400),
    "a length with a sign": (PLAIN + b"Content-Length: +5\r\n\r\nabcde", 400),
    "a folded header": (PLAIN + b"a: b\r\n c\r\n\r\n", 400),
    "white space before the colon": (PLAIN + b"Content-Length : 5\r\n\r\nabcde", 400),
    "white space before the first header": (b"GET /livez HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    "a bare CR": (PLAIN + b"a: b\rc\r\n\r\n", 400),
    "bare LFs": (b"GET /livez HTTP/1.1\nHost: x\n\n", 400),
    "NUL": (PLAIN + b"a: b\0c\r\n\r\n", 400),
    "CONNECT": (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 501),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "a chunk without a size": (CHUNKED + b"zz\r\n", 400),
    "a chunk larger than numbers go": (CHUNKED + b"11111111111111111\r\n", 400),
    "a chunk longer than its size": (CHUNKED + b"1\r\nab\r\n0\r\n\r\n", 400),
    "too many headers": (PLAIN + b"a:\r\n" * 200 + b"\r\n", 431),
}


@pytest.mark.parametrize(("request_bytes", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_what_breaks_a_rule_of_http_is_refused(strict, request_bytes, status):
    """In our one shape, with a request id, and the connection ends."""
    check_refused(exchanged(strict, request_bytes), status)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET http://x:80/livez HTTP/1.1\r\nHost: x\r\n",
        b"GET /livez HTTP/1.0\r\n",
        b"\r\nGET /livez HTTP/1.1\r\nHost:\r\n",
    ],
    ids=["a whole address", "HTTP/1.0 without Host", "a blank line before"],
)
def test_what_keeps_the_rules_is_answered(strict, request_bytes):
    """However rarely it is seen."""
    assert exchanged(strict, request_bytes + b"connection: close\r\n\r\n").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("segment", [10**6, 1000, 7], ids=["at once", "in kilobytes", "seven at a time"])
@pytest.mark.parametrize(("size", "status"), [(MAX_HEAD, 200), (MAX_HEAD + 1, 431)])
def test_the_limit_of_a_head_is_exact(strict, segment, size, status):
    """However the network cuts it."""
    start = b"GET /livez HTTP/1.1\r\nHost: x\r\nconnection: close\r\nx: "
    request = start + b"a" * (size - len(start) - 4) + b"\r\n\r\n"
    with connected(strict) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for at in range(0, size, segment):
                connection.sendall(request[at : at + segment])
        assert until_end(connection).startswith(b"HTTP/1.1 %d " % status)


def test_a_pipelined_half_head_does_not_replace_the_running_answer(strict):
    """The answer comes first, and the half head's own 408 after it."""
    with connected(strict) as connection:
        connection.sendall(head(f"content-length: {len(GOOD)}") + GOOD + b"GET / HT")
        assert one_answer(connection)[0] == 200
        check_refused(until_end(connection), 408)


def test_pipelined_requests_are_answered_in_their_order(strict):
    """Whether they have bodies, chunks or neither; garbage behind them costs none its answer."""
    requests = [
        head("content-length: 2") + b"{}",
        head("transfer-encoding: chunked") + b"2;x=y\r\n[]\r\n0\r\nx-trailer: 1\r\n\r\n",
        head(path="/livez", method="GET"),
        head("transfer-encoding: chunked") + b"8\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n",
        head(path="/nowhere", method="GET"),
    ]
    for segment in (10**6, 7):
        with connected(strict) as connection:
            everything = b"".join(requests) + b"\0\r\n\r\n"
            for at in range(0, len(everything), segment):
                connection.sendall(everything[at : at + segment])
            assert [one_answer(connection)[0] for _ in requests] == [400, 400, 200, 400, 404]
            check_refused(until_end(connection), 400)


def test_more_pipelined_requests_than_may_wait_are_all_answered(strict):
    """Reading pauses while enough is waiting, and goes on: nothing is lost."""
    count = 1500
    requests = head("x-long: " + "a" * 500, path="/livez", method="GET") * count
    with connected(strict) as connection, ThreadPoolExecutor(1) as sender:
        sending = sender.submit(connection.sendall, requests)
        answers = b""
        while answers.count(b"HTTP/1.1 200 OK") < count:
            piece = connection.recv(65536)
            assert piece, answers.count(b"HTTP/1.1 200 OK")
            answers += piece
        sending.result()


def test_answers_that_nobody_reads_do_not_fill_the_memory(strict):
    """Neither by many pipelined requests, which are not parsed ahead, nor for ever."""
    before_mb = rss_mb(strict)
    requests = head(path="/livez", method="GET") * 1000 + head(path="/openapi.json", method="GET") * 10
    sent, end = 0, time.monotonic() + 10 * BODY_TIMEOUT_S
    with connected(strict, 0.2) as connection:
        while time.monotonic() < end:
            try:
                sent += connection.send(requests)
            except TimeoutError:
                assert rss_mb(strict) < before_mb + 100
            except (ConnectionResetError, BrokenPipeError):
                break
        else:
            pytest.fail(f"still open after {sent} bytes")
    assert strict.is_ready()


UNREAD_MB = 12
LARGE = json.dumps({"query": "a", "documents": ["w " * 99_000] * 25, "return_documents": True}).encode()


@pytest.fixture(scope="module")
def unread(fleet):
    """A server that lets answers of 12 MiB wait; those to `LARGE` have 5."""
    return fleet("unread", engine="fake", max_bodies_bytes=UNREAD_MB * 1024 * 1024)


def asked(connection):
    """It has asked, and its answer has begun."""
    connection.sendall(head(f"content-length: {len(LARGE)}") + LARGE)
    assert connection.recv(9) == b"HTTP/1.1 "
    return connection


def read_steadily(connection, mb_per_s):
    """How much of an answer came."""
    received, began = 0, time.monotonic()
    while received < len(LARGE) and (piece := connection.recv(1 << 17)):
        received += len(piece)
        time.sleep(max(0.0, received / (mb_per_s * 1e6) - (time.monotonic() - began)))
    return received


def test_answers_that_nobody_reads_are_bounded_in_sum(unread):
    """Who has read the least goes first; the newest can still be read."""
    with contextlib.ExitStack() as connections:
        callers = [connections.enter_context(connected(unread)) for _ in range(80)]
        before_mb = rss_mb(unread)
        for caller in callers:
            asked(caller)
        # Four times the limit, and what the heap makes of that; without a bound they take some 800 MB.
        assert rss_mb(unread) < before_mb + 4 * UNREAD_MB + 250
        assert len(until_end(callers[0])) < len(LARGE)
        assert read_steadily(callers[-1], 100) >= len(LARGE)


def test_who_reads_steadily_is_not_cut_off_for_those_who_do_not(unread):
    """Nor for others that read as well."""
    with contextlib.ExitStack() as connections, ThreadPoolExecutor(2) as pool:
        readers = [asked(connections.enter_context(connected(unread))) for _ in range(2)]
        reading = [pool.submit(read_steadily, reader, 2) for reader in readers]
        for _ in range(4):
            asked(connections.enter_context(connected(unread)))
            time.sleep(0.4)
        assert [read.result() >= len(LARGE) for read in reading] == [True, True]


@pytest.mark.parametrize("line", [b"a: " + b"b" * 1000 + b"\r\n", b"a: " + b"b" * 10**6], ids=["many", "one endless"])
def test_trailers_count_as_headers_do(strict, line):
    """Without end they are refused."""
    with connected(strict) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(CHUNKED + b"2\r\n{}\r\n0\r\n")
            for _ in range(10):
                connection.sendall(line)
        assert until_end(connection).startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 415 "))


def test_chunk_extensions_are_bounded(strict):
    """One without end is refused."""
    answer = exchanged(strict, CHUNKED + b"2;a=" + b"b" * 2 * MAX_HEAD)
    assert b"chunk extensions" in answer
    check_refused(answer, 431)


def test_small_chunks_are_fine(strict):
    """A client may stream byte by byte."""
    chunks = b"".join(b"1;n=1\r\n%c\r\n" % byte for byte in GOOD + b" " * 2 * MAX_HEAD)
    assert exchanged(
        strict, head("transfer-encoding: chunked", "connection: close") + chunks + b"0\r\n\r\n"
    ).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("trailer", [f"x-api-key: {KEY}", f"authorization: Bearer {KEY}"])
def test_a_key_in_a_trailer_opens_nothing(strict, trailer):
    """Trailers are read and forgotten."""
    body = b"%x\r\n%s\r\n0\r\n%s\r\n\r\n" % (len(GOOD), GOOD, trailer.encode())
    with connected(strict) as connection:
        connection.sendall(head("transfer-encoding: chunked", key="wrong") + body)
        assert one_answer(connection)[0] == 401


def test_a_deadline_in_a_trailer_is_not_kept(strict):
    """A request of half a second, with a trailer that wants it in a thousandth."""
    body = b"%x\r\n%s\r\n0\r\nx-request-timeout: 0.001\r\n\r\n" % (len(GOOD), GOOD)
    with connected(strict) as connection:
        connection.sendall(head("transfer-encoding: chunked") + body)
        assert one_answer(connection)[0] == 200


TRICKLES = {
    "a body nobody wants": (head("content-length: 100000", path="/nowhere"), b" ", 404),
    "a body without a key": (head("content-length: 100000", key="wrong"), b" ", 401),
    "a body": (head("content-length: 100000"), b" ", 408),
    "chunks": (head("transfer-encoding: chunked"), b"1\r\n \r\n", 408),
}


def test_a_body_that_trickles_is_cut_off(strict):
    """While it is wanted, and also after the answer: what is closed on the other side cannot be written to."""
    with contextlib.ExitStack() as stack:
        open_ones = {name: stack.enter_context(connected(strict)) for name in TRICKLES}
        for name, connection in open_ones.items():
            connection.sendall(TRICKLES[name][0])
        answers = {}
        end = time.monotonic() + 5 * BODY_TIMEOUT_S
        while open_ones and time.monotonic() < end:
            time.sleep(0.2)
            for name, connection in list(open_ones.items()):
                connection.settimeout(0.01)
                try:
                    if answers.get(name) is None:
                        with contextlib.suppress(TimeoutError):
                            answers[name] = connection.recv(65536)
                    connection.sendall(TRICKLES[name][1])
                except (ConnectionResetError, BrokenPipeError):
                    del open_ones[name]
        assert not open_ones
    for name, (_, _, status) in TRICKLES.items():
        assert answers[name].startswith(b"HTTP/1.1 %d " % status), name


def test_blank_lines_do_not_keep_a_connection_open(strict):
    """One answered request and then a line end: closed in the time of a head, and without a word."""
    with connected(strict) as connection:
        connection.sendall(head(path="/livez", method="GET"))
        assert one_answer(connection)[0] == 200
        started = time.monotonic()
        connection.sendall(b"\r\n")
        assert until_end(connection) == b""
        assert time.monotonic() - started < 8


@pytest.mark.parametrize(
    ("path", "headers", "size", "status"),
    [
        ("/rerank", {}, 9_000_000, 401),
        ("/rerank", {"x-api-key": KEY}, 30_000_000, 413),
        ("/nowhere", {"x-api-key": KEY}, 9_000_000, 404),
        ("/rerank", {"x-api-key": KEY, "content-type": "text/plain"}, 9_000_000, 415),
    ],
)
def test_a_client_that_sends_all_first_sees_the_refusal(strict, path, headers, size, status):
    """The rest of its body is read and thrown away, or its system would throw the answer away."""
    connection = http.client.HTTPConnection("127.0.0.1", strict.port, timeout=30)
    for _ in range(3):
        connection.request("POST", path, body=b"a" * size, headers={"content-type": "application/json", **headers})
        response = connection.getresponse()
        assert response.status == status
        assert set(json.loads(response.read())) == ENVELOPE_FIELDS
    connection.close()


def test_who_asks_before_sending_is_told(strict):
    """`Expect: 100-continue` has its interim answer when the body is wanted, and its refusal at once when it is not."""
    with connected(strict) as connection:
        connection.sendall(head("expect: 100-continue", f"content-length: {len(GOOD)}"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(GOOD)
        assert one_answer(connection)[0] == 200
        connection.sendall(head("expect: 100-continue", f"content-length: {len(GOOD)}", key="wrong"))
        check_refused(until_end(connection), 401)


UPGRADE = (
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
)


@pytest.mark.parametrize("segment", [10**6, 11])
def test_a_wish_for_another_protocol_is_ignored(strict, segment):
    """The body that follows it is read, and so is the next request."""
    chunks = b"%x\r\n%s\r\n0\r\nx-api-key: nothing\r\n\r\n" % (len(GOOD), GOOD)
    everything = (
        head(*UPGRADE, f"content-length: {len(GOOD)}")
        + GOOD
        + head(*UPGRADE, "transfer-encoding: chunked")
        + chunks
        + head(*UPGRADE, path="/livez", method="GET")
        + head("Connection: Upgrade", "Upgrade: websocket", path="/livez", method="GET")
        + head("connection: close", path="/livez", method="GET")
    )
    with connected(strict) as connection:
        for at in range(0, len(everything), segment):
            connection.sendall(everything[at : at + segment])
        for _ in range(2):
            status, body = one_answer(connection)
            assert status == 200, body
            assert json.loads(body)["results"][0]["index"] == 0
        assert [one_answer(connection)[0] for _ in range(3)] == [200, 200, 200]
        assert until_end(connection) == b""


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java here")
def test_javas_own_client_is_answered(service):
    """It wishes for HTTP/2 with every request to plain http."""
    source = Path(__file__).parent / "java" / "Post.java"
    run = subprocess.run(
        ["java", "-XX:TieredStopAtLevel=1", str(source), f"{service.url}/rerank", GOOD.decode()],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["200"] * 3
    assert all('"index":0' in line for line in lines)


def test_a_flood_of_mistakes_leaves_the_log_short(strict):
    """No tracebacks, and no line for each of them."""
    before = len(strict.log)
    mistakes = [b"\0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", head(*UPGRADE, path="/livez", method="GET") + b"\0\r\n\r\n"]
    for number in range(300):
        with connected(strict) as connection, contextlib.suppress(ConnectionResetError):
            connection.sendall(head(path="/livez", method="GET") * (number % 3) + mistakes[number % len(mistakes)])
            if number % 4:
                connection.recv(100)
    added = strict.log[before:]
    assert "Traceback" not in added
    assert added.count("\n") < 10, added
