"""The examples of the README do what it says, against a server with the shipped model."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.server import REPOSITORY

# BentoML warns of its own dependencies as it is imported and used.
pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
DOCUMENTED_URL = "http://127.0.0.1:3000"


def blocks(language: str) -> list[str]:
    """The README's code blocks in `language`."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


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
    (command,) = [block for block in blocks("sh") if "curl" in block]
    (shown,) = [json.loads(block) for block in blocks("json")]
    command = command.replace(DOCUMENTED_URL, starter_service.url)
    run = subprocess.run(["sh", "-c", command], capture_output=True, check=True, timeout=60)
    answer = json.loads(run.stdout)
    assert shape(answer) == shape(shown)
    assert [result["index"] for result in answer["results"]] == [result["index"] for result in shown["results"]]
    for result, expected in zip(answer["results"], shown["results"], strict=True):
        assert result["score"] == pytest.approx(expected["score"], abs=0.1)


def test_the_example_with_bentoml_s_client_runs(starter_service):
    """The BentoML client gets a logit."""
    (example,) = [block for block in blocks("python") if "import bentoml" in block]
    namespace: dict[str, Any] = {}
    exec(example.replace(DOCUMENTED_URL, starter_service.url), namespace)
    namespace["client"]._temp_dir.cleanup()  # which it leaves to the garbage collector, and that complains
    logits = namespace["logits"]
    assert isinstance(logits, list)
    assert isinstance(logits[0], float)


def test_the_example_with_our_client_runs(starter_service):
    """The mountain that was asked for comes first."""
    (example,) = [block for block in blocks("python") if "bentorank_client" in block]
    namespace: dict[str, Any] = {}
    exec(example.replace(DOCUMENTED_URL, starter_service.url), namespace)
    namespace["reranker"].close()
    assert [ranked.index for ranked in namespace["result"]] == [1]


def test_lines_are_ranked_as_shown():
    """Without a word in common, without a server; with nearly that score."""
    (command,) = [block for block in blocks("sh") if "bentorank rerank" in block]
    (shown,) = blocks("text")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    run = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=True, timeout=60)
    line, score, text = run.stdout.split(":")
    expected_line, expected_score, expected_text = shown.split(":")
    assert (line, text) == (expected_line, expected_text)
    assert float(score) == pytest.approx(float(expected_score), abs=0.1)


def test_every_link_to_a_file_leads_somewhere():
    """No dead links."""
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (REPOSITORY / link).exists()] == []
