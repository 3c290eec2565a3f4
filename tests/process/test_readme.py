"""The examples of the README do what it says, against a server with the shipped model."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.examples import DOCUMENTED_URL, blocks, run_python
from support.server import REPOSITORY

# BentoML warns of its own dependencies as it is imported and used.
pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

README = REPOSITORY / "README.md"


def shape(value):
    """A JSON value with its numbers and ids blanked out."""
    match value:
        case dict():
            return {name: shape(inner) if name != "id" else "id" for name, inner in value.items()}
        case list():
            return [shape(inner) for inner in value]
        case float() | int() if not isinstance(value, bool):
            return "number"
    return value


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README's example needs curl")
def test_the_first_request_is_answered_as_shown(starter_service):
    """Same results in the same order with nearly the same scores; timings differ."""
    (command,) = blocks(README, "sh", "curl")
    (shown,) = [json.loads(block) for block in blocks(README, "json")]
    command = command.replace(DOCUMENTED_URL, starter_service.url)
    run = subprocess.run(["sh", "-c", command], capture_output=True, check=True, timeout=60)
    answer = json.loads(run.stdout)
    assert shape(answer) == shape(shown)
    assert [result["index"] for result in answer["results"]] == [result["index"] for result in shown["results"]]
    for result, expected in zip(answer["results"], shown["results"], strict=True):
        assert result["score"] == pytest.approx(expected["score"], abs=0.1)


def test_the_example_with_bentoml_s_client_runs(starter_service):
    """The BentoML client gets a logit."""
    (example,) = blocks(README, containing="import bentoml\n")
    names = run_python([example], starter_service.url)
    names["client"]._temp_dir.cleanup()  # which it leaves to the garbage collector, and that complains
    logits = names["logits"]
    assert isinstance(logits, list)
    assert isinstance(logits[0], float)


def test_the_example_with_our_client_runs(starter_service):
    """The mountain that was asked for comes first."""
    (example,) = blocks(README, containing="bentorank_client")
    names = run_python([example], starter_service.url)
    names["reranker"].close()
    assert [ranked.index for ranked in names["result"]] == [1]


def test_lines_are_ranked_as_shown():
    """Without a word in common, without a server; with nearly that score."""
    (command,) = blocks(README, "sh", "bentorank rerank")
    (shown,) = blocks(README, "text")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    run = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=True, timeout=60)
    line, score, text = run.stdout.split(":")
    expected_line, expected_score, expected_text = shown.split(":")
    assert (line, text) == (expected_line, expected_text)
    assert float(score) == pytest.approx(float(expected_score), abs=0.1)


def test_every_link_to_a_file_leads_somewhere():
    """No dead links."""
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (REPOSITORY / link).exists()] == []
