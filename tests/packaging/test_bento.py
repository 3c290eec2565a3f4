"""What `bentoml build` packs, and that it serves without the package being installed."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bento(tmp_path_factory):
    """The files of a freshly built Bento, relative to its source folder."""
    home = tmp_path_factory.mktemp("bentoml-home")
    environment = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    subprocess.run([ROOT / "deploy" / "make-sbom", Path(sys.executable).parent], check=True, timeout=120)
    command = [sys.executable, "-m", "bentoml", "build", "--output", "tag"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=120)
    (source,) = home.glob("bentos/bentorank/*/src")
    return source


def test_the_bento_holds_the_package_and_the_model_and_nothing_else(bento):
    """No tests, benchmarks, training scripts, virtual environments or caches."""
    files = {path.relative_to(bento).as_posix() for path in bento.rglob("*") if path.is_file()}
    allowed = ("bentorank/", "models/starter/")
    assert {name for name in files if not name.startswith(allowed)} <= {
        "service.py",
        "bentofile.yaml",
        "deploy/sbom.cdx.json",
        "deploy/requirements.txt",
        *(f"deploy/image/{name}" for name in ("healthcheck.py", "slim", "start")),
    }
    assert not [name for name in files if "/training/" in name or "/src/" in name or "__pycache__" in name]
    texts = {f"bentorank/evaluation/data/{name}" for name in ("lists.json.gz", "ATTRIBUTION.md")}
    texts |= {f"bentorank/http/playground/static/{name}" for name in ("index.html", "main.js", "examples.json")}
    texts |= {f"bentorank/http/documentation/static/{name}" for name in ("answers.json", "page.css", "start.js")}
    assert {"service.py", "bentorank/service.py", "bentorank/py.typed"} | texts <= files


def test_the_bento_holds_the_shipped_model(bento):
    """Weights, tokenizer and configuration, so that a container ranks without a network."""
    model = bento / "models" / "starter"
    names = {path.name for path in model.rglob("*")}
    assert {"config.json", "tokenizer.json", "model.safetensors", "int8.xml", "int8.bin"} <= names


@pytest.fixture(scope="module")
def dockerfile(bento):
    """As BentoML has rendered it for the image."""
    return bento.parent / "env" / "docker" / "Dockerfile"


def test_the_image_runs_without_rights_and_says_how_it_is(dockerfile):
    """A user that is not root, a signal that drains, a question whether it is ready; nothing to compile with."""
    text = dockerfile.read_text()
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001:10001"]
    assert re.search(r"^STOPSIGNAL SIGTERM$", text, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK [^\n]*\\\n +CMD \[.*healthcheck.py", text, re.MULTILINE)
    assert "--require-hashes" in text
    assert not re.search(r"apt-get|build-essential|gnupg|\bgit\b|curl", text)


def test_hadolint_finds_nothing_in_the_dockerfile(dockerfile):
    """Nothing that it knows better."""
    found = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), dockerfile], stdout=subprocess.PIPE, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, "")


def normal(name):
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def packages(requirements):
    """By name and version, the hashes of each package that a file asks for."""
    logical = requirements.read_text().replace("\\\n", " ").splitlines()
    lines = [line.split() for line in logical if line and not line.startswith("#")]
    return [(*words[0].split("=="), [word for word in words if word.startswith("--hash=sha256:")]) for words in lines]


def test_the_bento_asks_for_exactly_what_was_tested(bento):
    """Every package of the lock, with hashes; BentoML repeats itself, without them."""
    asked = packages(bento.parent / "env" / "python" / "requirements.txt")
    locked = packages(ROOT / "deploy" / "requirements.txt")
    assert len(locked) > 50
    assert all(hashes for _, _, hashes in locked)
    assert [package for package in asked if package not in locked] == [("bentoml", "1.4.39", [])]
    assert [package for package in locked if package not in asked] == []


def test_the_bento_lists_what_its_image_installs(bento):
    """A software bill of materials, by which scanners find what is inside."""
    listed = json.loads((bento / "deploy" / "sbom.cdx.json").read_text())
    assert listed["bomFormat"] == "CycloneDX"
    components = {component["purl"] for component in listed["components"]}
    locked = packages(ROOT / "deploy" / "requirements.txt")
    assert components == {f"pkg:pypi/{normal(name)}@{version}" for name, version, _ in locked}


@pytest.mark.parametrize("kind", ["", "-gpu"])
def test_the_lock_follows_the_dependencies(kind):
    """`make lock` was not forgotten: what the package needs is locked, in the versions that were tested."""
    constraints = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    tested = {normal(name): version for name, version in constraints.items()}
    locked = {normal(name): version for name, version, _ in packages(ROOT / "deploy" / f"requirements{kind}.txt")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *(project["optional-dependencies"]["torch"] if kind else ())]
    assert {normal(re.match(r"[\w.-]+", line).group()) for line in needed} <= locked.keys()
    assert {name: version for name, version in locked.items() if tested.get(name, version) != version} == {}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-gpu.txt"])
def test_locks_name_no_host(name):
    """Whoever builds chooses the index."""
    assert "://" not in (ROOT / "deploy" / name).read_text()
