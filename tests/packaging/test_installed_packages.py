"""Distributions installed by pip in fresh environments, from an index that has ours beside the usual one: minutes.

`make test-packages` takes the very files that are published; `make test-slow` builds its own.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import shutil
import subprocess
import sys
import threading
import urllib.request
from typing import TYPE_CHECKING

import pytest
from support.server import environment, running_server

import bentorank
from deploy.packages.projects import PROJECTS, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.process, pytest.mark.timeout(1800)]

QUESTION = {"query": "what do owls eat", "documents": ["Bread needs flour.", "Owls eat mice."]}
USES = {
    "bentorank-client": "from bentorank_client import AsyncReranker, Reranker",
    "langchain-bentorank": "from langchain_bentorank import BentoRerank, BentoRerankRetriever",
    "llama-index-postprocessor-bentorank": "from llama_index.postprocessor.bentorank import BentoRerank",
    "bentorank-haystack": "from haystack_integrations.components.rankers.bentorank import BentoRanker",
    "bentorank[local]": "from bentorank.local import LocalReranker; import bentorank_client",
}


class Files(http.server.SimpleHTTPRequestHandler):
    """Python's file server, without a line for each of the packages that only the usual index has."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library calls it
        pass


@pytest.fixture(scope="module")
def index(distributions) -> Iterator[str]:
    """The folder of all distributions, shown by Python's file server: an index as pip reads one."""
    handler = functools.partial(Files, directory=str(distributions))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


class Fresh:
    """A new virtual environment, away from the checkout."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True, timeout=120)

    def program(self, name: str) -> str:
        """Where it is installed."""
        return str(self.home / "venv" / "bin" / name)

    def run(self, program: str, *arguments: str) -> str:
        """What a command says; fails with all of it if the command does."""
        done = subprocess.run(
            [self.program(program), *arguments],
            cwd=self.home,
            env=environment(self.home),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1500,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def install(self, *words: str) -> dict[str, str]:
        """Where pip took each package from, by name."""
        report = self.home / "report.json"
        self.run("pip", "install", "--quiet", "--disable-pip-version-check", "--report", str(report), *words)
        self.run("pip", "check")
        told = json.loads(report.read_text(encoding="utf-8"))
        return {item["metadata"]["name"]: item["download_info"]["url"] for item in told["install"]}


@contextlib.contextmanager
def served(fresh: Fresh) -> Iterator[str]:
    """`bentorank serve` of that environment, started away from any checkout."""
    command = ["env", "--chdir", str(fresh.home), fresh.program("bentorank"), "serve"]
    with running_server(fresh.home / "server", command, workers=1) as server:
        yield server.url


def assert_serves_the_starter(fresh: Fresh) -> None:
    """It says its version, and ranks with the model that was installed beside it."""
    assert fresh.run("bentorank", "--version").strip() == f"bentorank {bentorank.__version__}"
    with served(fresh) as url:
        request = urllib.request.Request(f"{url}/rerank", json.dumps(QUESTION).encode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
    assert answer["model"] == "starter"
    assert [result["index"] for result in answer["results"]] == [1, 0]


def test_the_service_and_its_model_come_from_an_index(index, tmp_path):
    """As `pip install bentorank bentorank-starter` will be: the command, and a service that ranks."""
    fresh = Fresh(tmp_path / "fresh")
    taken = fresh.install("--extra-index-url", index, "bentorank", "bentorank-starter")
    assert all(taken[name].startswith(index) for name in ("bentorank", "bentorank-starter"))
    assert_serves_the_starter(fresh)


@pytest.mark.parametrize("wanted", USES)
def test_each_client_package_comes_from_an_index(index, tmp_path, wanted):
    """With the client that it needs, from the same release; it is imported as its README says."""
    fresh = Fresh(tmp_path / "fresh")
    taken = fresh.install("--extra-index-url", index, wanted)
    ours = taken.keys() & PROJECTS.keys()
    assert ours == {wanted.partition("[")[0], "bentorank-client"}
    assert all(taken[name].startswith(index) for name in ours)
    fresh.run("python", "-W", "error:::bentorank_client", "-c", USES[wanted])


def test_a_checkout_can_be_installed(tmp_path):
    """The README's line, in a checkout that then goes away."""
    line = "pip install . ./models/starter "
    assert line in (ROOT / "README.md").read_text(encoding="utf-8")
    checkout = tmp_path / "checkout"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if name.startswith(("src/", "models/")) or "/" not in name:
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, checkout / name)
    fresh = Fresh(tmp_path / "fresh")
    fresh.install(str(checkout), str(checkout / "models" / "starter"))
    shutil.rmtree(checkout)
    assert_serves_the_starter(fresh)
