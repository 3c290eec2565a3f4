"""Commands that are started inside a model's folder, as people do: its Python files are not run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest
from support.server import run_command, running_server, wait_until
from support.tiny_folders import tiny_models

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process

RAN = "ran.txt"
# What our processes import, and what they would try to.
PACKAGES = [
    "_bentoml_impl",
    "bentoml",
    "bentorank",
    "click",
    "cryptography",
    "h2",
    "httpx",
    "joblib",
    "ml_dtypes",
    "nncf",
    "numba",
    "numpy",
    "nanotoken",
    "openvino",
    "opentelemetry",
    "orjson",
    "pandas",
    "psutil",
    "pydantic",
    "safetensors",
    "scipy",
    "sentence_transformers",
    "sklearn",
    "tokenizers",
    "torch",
    "transformers",
    "tqdm",
    "uvicorn",
    "uvloop",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder with a Python file for each module that could be imported, which tells that it was run."""
    folder = tmp_path_factory.mktemp("downloaded")
    tiny_models().build_bert(folder)
    for name in {*PACKAGES, *sys.stdlib_module_names}:
        note = f"open({str(folder / RAN)!r}, 'a').write({name!r} + '\\n')\nraise ImportError({name!r})\n"
        (folder / f"{name}.py").write_text(note)
    subprocess.run([sys.executable, "-m", "json.tool"], cwd=folder, stderr=subprocess.DEVNULL, check=False)
    assert modules_run(folder), "Python itself runs them"
    (folder / RAN).unlink()
    return folder


def modules_run(folder: Path) -> str:
    note = folder / RAN
    return note.read_text() if note.exists() else ""


def test_serving_runs_nothing_of_it(folder: Path, tmp_path: Path) -> None:
    """Neither the supervisor, nor a worker, nor the conversion; relative paths still mean this folder."""
    (folder / "keys.txt").write_text("a-key-of-this-folder\n")
    settings = {"model": ".", "precision": "f32", "api_keys_file": "keys.txt"}
    with running_server(tmp_path, folder=folder, **settings) as server:
        body = {"query": "bread", "documents": ["dough rises", "rain"]}
        headers = {"Authorization": "Bearer a-key-of-this-folder"}
        answer = httpx.post(f"{server.url}/rerank", json=body, headers=headers)
        assert httpx.post(f"{server.url}/rerank", json=body).status_code == 401
    assert answer.status_code == 200, answer.text
    assert modules_run(folder) == ""


@pytest.mark.slow
def test_checking_runs_nothing_of_it(folder: Path, tmp_path: Path) -> None:
    """Neither the trial nor the comparison, each a process of its own."""
    done = run_command(tmp_path, "check", ".", timeout_s=180, folder=folder, precision="f32")
    assert modules_run(folder) == ""
    assert "its process" not in done.stdout
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_tuning_runs_nothing_of_it(folder: Path, tmp_path: Path) -> None:
    """Nor does any candidate."""
    done = run_command(
        tmp_path, "tune", "--model", ".", "--threads", "1", "--streams", "1", timeout_s=500, folder=folder
    )
    assert modules_run(folder) == ""
    assert done.returncode == 0, done.stdout


def test_a_folder_that_is_gone_does_not_keep_workers_from_starting(tmp_path: Path) -> None:
    """Where no setting is relative to it; nor do relative places to import from, which meant that folder."""
    started_in, mods = tmp_path / "started", tmp_path / "started" / "mods"
    mods.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", "mods:")
        with running_server(tmp_path / "home", folder=started_in, engine="fake") as server:
            [worker] = server.worker_pids
            folders = psutil.Process(worker).environ()["PYTHONPATH"]
            assert folders.split(":") == [str(mods)]
            shutil.rmtree(started_in)
            psutil.Process(worker).kill()
            wait_until(lambda: server.worker_pids not in ([], [worker]) and server.is_ready(), within_s=30)
