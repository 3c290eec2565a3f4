"""What `make serve` installs for a model, told by make itself without doing it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here"),
    pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="with a GPU everything needs torch"),
]


def commands(*arguments: str, **environment: str) -> str:
    """What make would run in an environment that is new."""
    kept = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "BENTORANK_MODEL"}}
    command = ["make", "--dry-run", "serve", "VENV=.venv-not-there", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=kept | environment, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("arguments", [(), ("MODEL=starter",), ("MODEL=models/starter",)])
def test_a_converted_model_needs_no_torch(arguments):
    """The shipped one, by name or as a folder with OpenVINO files."""
    assert "--editable '.' " in commands(*arguments)


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (("MODEL=BAAI/bge-reranker-base",), {}),
        ((), {"BENTORANK_MODEL": "folder/of/bert"}),
        (("EXTRAS=[torch]",), {}),
    ],
)
def test_any_other_model_brings_torch(arguments, environment):
    """And has a stamp of its own: an environment without torch is no reason to leave it out."""
    planned = commands(*arguments, **environment)
    assert "--editable '.[torch]' " in planned
    assert "touch .venv-not-there/.serve-torch" in planned


def test_a_model_is_served_by_the_name_given():
    """Words of its own for nothing else: another MODEL in the environment is no wish."""
    assert "--model 'a/b'" in commands("MODEL=a/b")
    assert "--model" not in commands(MODEL="a/b")
