"""What `bentoml build` packs, and that it serves without the package being installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bento(tmp_path_factory):
    """The files of a freshly built Bento, relative to its source folder."""
    home = tmp_path_factory.mktemp("bentoml-home")
    environment = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    command = [sys.executable, "-m", "bentoml", "build", "--output", "tag"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=120)
    (source,) = home.glob("bentos/bentorank/*/src")
    return source


def test_the_bento_holds_the_package_and_the_model_and_nothing_else(bento):
    """No tests, benchmarks, training scripts, virtual environments or caches."""
    files = {path.relative_to(bento).as_posix() for path in bento.rglob("*") if path.is_file()}
    allowed = ("bentorank/", "models/starter/")
    assert {name for name in files if not name.startswith(allowed)} <= {"service.py", "bentofile.yaml"}
    assert not [name for name in files if "/training/" in name or "/src/" in name or "__pycache__" in name]
    texts = {f"bentorank/evaluation/data/{name}" for name in ("lists.json.gz", "ATTRIBUTION.md")}
    assert {"service.py", "bentorank/service.py", "bentorank/py.typed"} | texts <= files


def test_the_bento_holds_the_shipped_model(bento):
    """Weights, tokenizer and configuration, so that a container ranks without a network."""
    model = bento / "models" / "starter"
    names = {path.name for path in model.rglob("*")}
    assert {"config.json", "tokenizer.json", "model.safetensors", "int8.xml", "int8.bin"} <= names


def test_the_bento_asks_for_pinned_packages_only(bento):
    """Every requirement names its version."""
    lines = (bento.parent / "env" / "python" / "requirements.txt").read_text().splitlines()
    packages = [line for line in lines if line and not line.startswith(("#", "-"))]
    assert len(packages) > 50
    assert [line for line in packages if "==" not in line] == []
