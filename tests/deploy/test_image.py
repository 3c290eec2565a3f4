"""The parts of the image that run inside it."""

from __future__ import annotations

import http.server
import socket
import subprocess
import sys
import threading
import time

import pytest
from support.server import REPOSITORY, free_port

IMAGE = REPOSITORY / "deploy" / "image"


def check_health(**environment):
    """The status of the image's HEALTHCHECK, as an engine runs it."""
    command = [sys.executable, "-I", IMAGE / "healthcheck.py"]
    return subprocess.run(
        command, env={name: str(value) for name, value in environment.items()}, check=False
    ).returncode


def test_a_ready_service_is_healthy(service):
    """However its port was given."""
    assert check_health(PORT=service.port) == 0
    assert check_health(BENTORANK_PORT=service.port) == 0


def test_nobody_who_listens_is_not(tmp_path):
    """Told at once."""
    began = time.monotonic()
    assert check_health(PORT=free_port()) == 1
    assert time.monotonic() - began < 10


def test_a_service_that_is_not_ready_is_not():
    """It answers, and what it answers counts: a model that loads, a service that drains."""

    class NotReady(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(503 if self.path == "/readyz" else 200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), NotReady) as loading:
        threading.Thread(target=loading.serve_forever, daemon=True).start()
        assert check_health(PORT=loading.server_port) == 1
        loading.shutdown()


def test_a_service_that_hangs_is_not():
    """It takes connections and never answers; the question itself must come to an end."""
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        began = time.monotonic()
        assert check_health(PORT=hanging.getsockname()[1]) == 1
        assert time.monotonic() - began < 30


@pytest.mark.parametrize(("name", "other"), [("PORT", "BENTOML_PORT"), ("BENTOML_PORT", "BENTORANK_PORT")])
def test_the_port_is_that_of_the_host_of_containers(tmp_path, name, other):
    """`PORT` before BentoML's before ours; other commands of bentorank can be run, too."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$BENTORANK_PORT $*"\n')
    python.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", name: "4001", other: "4002"}
    started = subprocess.run([IMAGE / "start"], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert started.stdout == "4001 -P -m bentorank serve\n"
    told = subprocess.run([IMAGE / "start", "settings"], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert told.stdout == "4001 -P -m bentorank settings\n"
