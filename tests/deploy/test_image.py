"""The parts of the image that run inside it."""

from __future__ import annotations

import subprocess
import sys
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


@pytest.mark.parametrize(("name", "other"), [("PORT", "BENTOML_PORT"), ("BENTOML_PORT", "BENTORANK_PORT")])
def test_the_port_is_that_of_the_host_of_containers(tmp_path, name, other):
    """`PORT` before BentoML's before ours; other commands of bentorank can be run, too."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$BENTORANK_PORT $*"\n')
    python.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", name: "4001", other: "4002"}
    started = subprocess.run([IMAGE / "start"], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert started.stdout == "4001 -m bentorank serve\n"
    told = subprocess.run([IMAGE / "start", "settings"], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert told.stdout == "4001 -m bentorank settings\n"
