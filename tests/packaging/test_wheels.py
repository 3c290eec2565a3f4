"""The two wheels, installed away from any checkout: bentorank finds its default model and ranks with it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

RANK_OUTSIDE_A_CHECKOUT = """
import bentorank, bentorank_starter
from bentorank.cli.eval import engine_scorer
from bentorank.engines.options import EngineOptions
scored = engine_scorer(EngineOptions("starter")).score("what do owls eat", ["Bread needs flour.", "Owls eat mice."])
print(bentorank.__file__, bentorank_starter.path(), scored.scores.argmax(), sep="\\n")
"""


def build_wheel(project, target):
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)]
    subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=120)
    (wheel,) = target.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Wheel files by package."""
    return {
        name: build_wheel(project, tmp_path_factory.mktemp(name))
        for name, project in {"bentorank": ROOT, "bentorank_starter": ROOT / "models" / "starter"}.items()
    }


def test_the_wheel_of_bentorank_is_small_and_typed(wheels):
    """Code, and a few texts to measure on with their licences; no model, no tests."""
    with zipfile.ZipFile(wheels["bentorank"]) as wheel:
        names = wheel.namelist()
    assert wheels["bentorank"].stat().st_size < 1e6
    texts = {f"bentorank/evaluation/data/{name}" for name in ("lists.json.gz", "ATTRIBUTION.md")}
    assert {"bentorank/py.typed", "bentorank/service.py"} | texts <= set(names)
    page = Path("src/bentorank/http/playground/static")
    assert {f"bentorank/http/playground/static/{file.name}" for file in (ROOT / page).iterdir()} <= set(names)
    assert all(name.startswith(("bentorank/", "bentorank-")) for name in names)


def test_the_wheel_of_the_starter_carries_every_format(wheels):
    """What sentence-transformers loads and what OpenVINO loads, with the card; not how it was made."""
    with zipfile.ZipFile(wheels["bentorank_starter"]) as wheel:
        names = set(wheel.namelist())
    model = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"}
    model |= {"openvino/int8.xml", "openvino/int8.bin"}
    assert {f"bentorank_starter/model/{name}" for name in model} | {"bentorank_starter/py.typed"} <= names
    assert not [name for name in names if "training" in name]


def test_installed_wheels_rank_without_a_checkout(wheels, tmp_path):
    """Outside the repository, from the packages alone, without a network."""
    site = tmp_path / "site"
    for wheel in wheels.values():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    environment = {**os.environ, "PYTHONPATH": str(site), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", RANK_OUTSIDE_A_CHECKOUT]
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    package, model, best = done.stdout.splitlines()
    assert Path(package).is_relative_to(site)
    assert Path(model) == site / "bentorank_starter" / "model"
    assert best == "1"


@pytest.mark.parametrize(
    ("folder", "package"),
    [
        ("client", "bentorank_client"),
        ("langchain", "langchain_bentorank"),
        ("llama-index", "llama_index/postprocessor/bentorank"),
        ("haystack", "haystack_integrations/components/rankers/bentorank"),
    ],
)
def test_the_wheel_of_an_integration_is_its_package_alone(folder, package, tmp_path):
    """Typed, without tests, and without an `__init__.py` that would hide a shared namespace's other packages."""
    with zipfile.ZipFile(build_wheel(ROOT / "integrations" / folder, tmp_path)) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        (metadata,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        described = wheel.read(metadata).decode()
    assert {f"{package}/__init__.py", f"{package}/py.typed"} <= names
    assert all(name.startswith(f"{package}/") for name in names)
    assert "Requires-Python: >=3.11" in described
    assert f"# {metadata.split('-')[0].replace('_', '-')}" in described
