"""No start of ours calls anybody."""

import pytest
from support.server import BIN, running_server

pytestmark = pytest.mark.process

# Python's own account of every connection and every name that is looked up, in all processes that are started.
RECORDER = """
import sys
def record(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        with open({file!r}, "a") as file:
            print(event, *arguments[-1:] if event == "socket.connect" else arguments[:2], file=file)
sys.addaudithook(record)
"""
OWN = ("127.0.0.1", "localhost", "::1", "0.0.0.0")


@pytest.mark.parametrize("command", [("bentoml", "serve", "service:BentoRank"), ("bentorank", "serve")], ids=str)
def test_starting_serving_and_stopping_call_nobody(tmp_path, command):
    """BentoML's usage tracking is off, also where only our module has the chance to say so."""
    recorded = tmp_path / "connections"
    recorded.touch()
    (tmp_path / "sitecustomize.py").write_text(RECORDER.format(file=str(recorded)))
    program, *arguments = command
    environment = ["env", "-u", "BENTOML_DO_NOT_TRACK", f"PYTHONPATH={tmp_path}"]
    with running_server(tmp_path, [*environment, str(BIN / program), *arguments], engine="fake"):
        pass
    calls = recorded.read_text().splitlines()
    assert [call for call in calls if not any(host in call for host in OWN)] == []
    # The recorder works: circus talks to itself, or the banner asks the service.
    assert calls or program == "bentoml"
