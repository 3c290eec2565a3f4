"""An error of the connection says with what server, and why."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import struct
import subprocess
import threading

import pytest
from bentorank_client import APIConnectionError, APITimeoutError, RerankClient
from support.scripted_server import hang, vanish

CLOSE_BY_RESET = struct.pack("ii", 1, 0)


@pytest.fixture
def serve():
    """A function that starts a server which does as told with each connection; it gives `host:port`."""
    listeners = []

    def start(handle):
        listeners.append(socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=accept, args=(listeners[-1], handle), daemon=True).start()
        return f"127.0.0.1:{listeners[-1].getsockname()[1]}"

    def accept(listener, handle):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    handle(connection)

    yield start
    for listener in listeners:
        listener.close()


@pytest.fixture
def crowded():
    """The address of a server that takes no more connections and refuses none."""
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = sockets.enter_context(socket.socket())
            waiting.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def reset(connection):
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CLOSE_BY_RESET)


def message(make_client, base_url, kind=APIConnectionError, **options):
    with pytest.raises(kind) as caught:
        make_client(base_url=base_url, max_attempts=1, **options).rerank("q", ["a"])
    return str(caught.value)


def test_a_name_that_is_not_found(make_client):
    """And the port with it."""
    said = message(make_client, "http://no-such-host.invalid:81")
    assert said.startswith(
        "cannot connect to http://no-such-host.invalid:81: its name was not found; start the service"
    )


def test_nobody_says_in_time_that_he_listens(make_client, crowded):
    """Told apart from a call whose time is up: another server may be tried."""
    said = message(make_client, f"http://{crowded}", connect_timeout_s=0.3, timeout_s=5)
    assert said.startswith(f"cannot connect to http://{crowded} within 0.3 s; start the service")
    said = message(make_client, f"http://{crowded}", APITimeoutError, connect_timeout_s=5, timeout_s=0.3)
    assert said.startswith(f"no answer from http://{crowded} within timeout_s=0.3;")


def test_a_server_that_speaks_no_tls(make_client, serve):
    """There is one, so nobody is told to start it."""
    server = serve(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    said = message(make_client, f"https://{server}")
    assert (
        said == f"cannot connect to https://{server}: TLS failed (wrong version number), perhaps it speaks http alone"
    )


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_certificate_that_nobody_vouches_for(make_client, serve, tmp_path):
    """In the words of TLS."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -days 1 -keyout"
    subprocess.run([*made.split(), key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = serve(lambda connection: context.wrap_socket(connection, server_side=True).close())
    said = message(make_client, f"https://{server}")
    assert said.startswith(f"cannot connect to https://{server}: its certificate is not trusted (self")


def test_a_connection_that_is_lost(make_client, serve, scripted):
    """Reset, or closed before the answer."""
    server = serve(reset)
    assert message(make_client, f"http://{server}").startswith(f"the connection to http://{server} was lost: ")
    url = scripted(vanish).url
    assert message(make_client, url) == (
        f"the connection to {url} was lost: it was closed before there was an answer, or speaks no HTTP/1.1"
    )


def test_a_path_is_not_repeated(make_client, scripted):
    """It may hold a token."""
    url = scripted(hang(3)).url
    said = message(make_client, f"{url}/canary", APITimeoutError, timeout_s=0.2)
    assert url in said
    assert "canary" not in said


def test_who_has_no_service_yet_is_told_what_to_do(monkeypatch):
    """The first call of all, without an argument."""
    monkeypatch.setattr("bentorank_client.options.DEFAULT_BASE_URL", "http://127.0.0.1:9")  # not to meet a real one
    monkeypatch.delenv("BENTORANK_BASE_URL", raising=False)
    with pytest.raises(APIConnectionError, match=r"`bentorank serve`.*BENTORANK_BASE_URL"):
        RerankClient(max_attempts=1).rerank("owls", ["a"])
