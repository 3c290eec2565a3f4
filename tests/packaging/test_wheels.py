"""What is published: complete, no more than it should be, and of use away from any checkout."""

import email
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest

import bentorank
from deploy.packages.build import build_wheel
from deploy.packages.projects import PROJECTS, ROOT

PACKAGES = {
    "bentorank-client": "bentorank_client",
    "bentorank-starter": "bentorank_starter",
    "bentorank": "bentorank",
    "langchain-bentorank": "langchain_bentorank",
    "llama-index-postprocessor-bentorank": "llama_index/postprocessor/bentorank",
    "bentorank-haystack": "haystack_integrations/components/rankers/bentorank",
}
ABOUT_AN_SDIST = {".gitignore", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
MODEL = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"}
MODEL |= {"openvino/int8.xml", "openvino/int8.bin"}
BESIDES = {"bentorank": {"CHANGELOG.md", "hatch_build.py"}, "bentorank-starter": MODEL}
RANK_OUTSIDE_A_CHECKOUT = """
import bentorank, bentorank_starter
from bentorank.cli.eval import engine_scorer
from bentorank.engines.options import EngineOptions
scored = engine_scorer(EngineOptions("starter")).score("what do owls eat", ["Bread needs flour.", "Owls eat mice."])
print(bentorank.__file__, bentorank_starter.path(), scored.scores.argmax(), sep="\\n")
"""

every_distribution = pytest.mark.parametrize("name", PROJECTS)


@pytest.fixture(scope="module")
def contents(wheels, tmp_path_factory) -> dict[str, Path]:
    """A folder with what each wheel holds."""
    folders = {name: tmp_path_factory.mktemp("contents") for name in wheels}
    for name, folder in folders.items():
        with zipfile.ZipFile(wheels[name]) as wheel:
            wheel.extractall(folder)
    return folders


@pytest.fixture(scope="module")
def sources(sdists, tmp_path_factory) -> dict[str, Path]:
    """A folder with what each sdist holds."""
    folders = {name: tmp_path_factory.mktemp("sources") for name in sdists}
    for name, folder in folders.items():
        with tarfile.open(sdists[name]) as sdist:
            sdist.extractall(folder, filter="data")
    return {name: folder / sdists[name].name.removesuffix(".tar.gz") for name, folder in folders.items()}


def files_in(folder: Path) -> set[str]:
    """Their paths."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def about(folder: Path) -> Path:
    """Where a wheel speaks of itself."""
    (found,) = folder.glob("*.dist-info")
    return found


def metadata(folder: Path) -> Message:
    """What it says."""
    return email.message_from_bytes((about(folder) / "METADATA").read_bytes())


@every_distribution
def test_a_wheel_is_its_package_alone(contents, name):
    """Typed, without tests, and without an `__init__.py` that would hide a shared namespace's other packages."""
    names = files_in(contents[name])
    assert {f"{PACKAGES[name]}/__init__.py", f"{PACKAGES[name]}/py.typed"} <= names
    assert all(file.startswith((f"{PACKAGES[name]}/", about(contents[name]).name)) for file in names)


@every_distribution
def test_a_wheel_says_what_it_is(contents, name):
    """Its name, the release's version, what it runs on, its README."""
    said = metadata(contents[name])
    assert (said["Name"], said["Version"]) == (name, bentorank.__version__)
    assert (said["Requires-Python"], said["Description-Content-Type"]) == (">=3.11", "text/markdown")
    assert f"# {name}\n" in said.get_payload()


def test_the_description_leads_nowhere_that_an_index_has_not(contents):
    """No picture of the repository, and no link into it; what they stood in stays."""
    text = metadata(contents["bentorank"]).get_payload()
    assert "docs/settings.md" in text
    assert not re.search(r"<picture|<img|!\[|\]\((?!https?://|#)", text)
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n## ") == text.count("\n## ")


@every_distribution
def test_a_wheel_carries_its_licences(contents, name):
    """The project's licence in full, and every text that says whose a part is; by names that indexes know."""
    said = metadata(contents[name])
    licences = about(contents[name]) / "licenses"
    assert (licences / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert files_in(licences) == set(said.get_all("License-File"))
    attributions = (contents[name] / PACKAGES[name]).rglob("ATTRIBUTION.md")
    assert {f"src/{file.relative_to(contents[name])}" for file in attributions} <= files_in(licences)
    assert re.fullmatch(r"Apache-2\.0( AND (CC-BY(-SA)?-4\.0|ODC-By-1\.0))*", said["License-Expression"])


def test_sdists_hold_what_their_wheels_are_made_of(sources):
    """No tests, benchmarks, recipes or caches."""
    assert len(sources) >= 5
    for name, source in sources.items():
        names = files_in(source)
        tree = f"src/{PACKAGES[name]}/" if (source / "src").exists() else f"{PACKAGES[name]}/"
        others = {file for file in names if not file.startswith(tree)}
        assert others >= ABOUT_AN_SDIST
        assert others - ABOUT_AN_SDIST <= BESIDES.get(name, set())
        assert not [file for file in names if re.search(r"__pycache__|\.pyc$|(^|/)(tests?|training)/", file)]


def test_an_sdist_and_the_tree_make_the_same_wheel(sdists, wheels, tmp_path):
    """To the byte: whoever builds it anew can compare."""
    for name in sdists:
        assert build_wheel(PROJECTS[name], tmp_path / name).read_bytes() == wheels[name].read_bytes(), name


def test_nothing_says_where_it_was_built(sources, contents):
    """No path of this machine."""
    places = [str(place).encode() for place in (ROOT, Path.home(), Path(sys.prefix)) if len(place.parts) > 2]
    assert places
    for folder in (*sources.values(), *contents.values()):
        for file in files_in(folder):
            data = (folder / file).read_bytes()
            assert not [place for place in places if place in data], file


def test_the_wheel_of_bentorank_is_small(wheels, contents):
    """Code, a page, and a few texts to measure on; no model."""
    assert wheels["bentorank"].stat().st_size < 1e6
    texts = {f"bentorank/evaluation/data/{name}" for name in ("lists.json.gz", "ATTRIBUTION.md")}
    page = ROOT / "src" / "bentorank" / "http" / "playground" / "static"
    texts |= {f"bentorank/http/playground/static/{file.name}" for file in page.iterdir()}
    assert {"bentorank/service.py"} | texts <= files_in(contents["bentorank"])


def test_the_wheel_of_the_starter_carries_every_format(contents):
    """What sentence-transformers loads and what OpenVINO loads, with the card; not how it was made."""
    names = files_in(contents["bentorank-starter"])
    assert {f"bentorank_starter/starter/{name}" for name in MODEL} <= names
    assert not [name for name in names if "training" in name]


def test_installed_wheels_rank_without_a_checkout(contents, tmp_path):
    """Outside the repository, from the packages alone, without a network."""
    sites = [contents["bentorank"], contents["bentorank-starter"]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sites)), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", RANK_OUTSIDE_A_CHECKOUT]
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    package, model, best = done.stdout.splitlines()
    assert Path(package).is_relative_to(sites[0])
    assert Path(model) == sites[1] / "bentorank_starter" / "starter"
    assert best == "1"
