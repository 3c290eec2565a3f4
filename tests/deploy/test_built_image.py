"""The image's root file system, run without rights, read-only but for /tmp and the home folder: `make test-image`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil
import pytest
from support.server import free_port, wait_until

ROOT = Path(os.environ.get("BENTORANK_IMAGE_ROOT", "/nonexistent"))
pytestmark = pytest.mark.image
QUESTION = {
    "query": "how tall is mount everest",
    "documents": ["K2 lies on the border of Pakistan and China.", "Mount Everest rises 8,849 m above sea level."],
}


def image_configuration():
    """What the Dockerfile says, as Docker writes it."""
    inspected = json.loads(
        subprocess.run(
            ["buildah", "inspect", "--type", "image", "localhost/bentorank:latest"],
            env={**os.environ, "STORAGE_DRIVER": "vfs"},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    )
    return inspected["Docker"]["config"]


def image_environment():
    """What the Dockerfile sets."""
    return dict(each.split("=", 1) for each in image_configuration()["Env"])


def in_image(*command, models=None, **environment):
    """A command line that runs another in the image."""
    words = ["bwrap", "--unshare-user", "--uid", "10001", "--gid", "10001", "--cap-drop", "ALL", "--clearenv"]
    words += ["--ro-bind", str(ROOT.resolve()), "/", "--dev", "/dev", "--proc", "/proc", "--ro-bind", "/sys", "/sys"]
    # An engine makes them; this one was made without.
    for path in ("/etc/hosts", "/etc/resolv.conf"):
        (ROOT / path[1:]).touch()
        words += ["--ro-bind", path, path]
    words += ["--tmpfs", "/tmp", "--tmpfs", "/home/bentorank", "--chdir", "/opt/bento"]
    if models is not None:
        words += ["--ro-bind", str(models), "/models"]
    for name, value in {**image_environment(), **environment}.items():
        words += ["--setenv", name, str(value)]
    return [*words, *command]


class Container:
    """A service in the image: where it answers, what it wrote."""

    def __init__(self, log, **settings):
        self.port = free_port()
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        self._log = log
        command = in_image("/opt/bento/deploy/image/start", PORT=self.port, **settings)
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        began = time.monotonic()
        wait_until(self.is_ready, within_s=120)
        self.ready_s = time.monotonic() - began

    def is_ready(self):
        """Whether /readyz says so."""
        assert self.process.poll() is None, self.log
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx2.HTTPError:
            return False

    @property
    def log(self):
        """All that it has written."""
        return self._log.read_text()

    def pids(self, words):
        """Its processes whose command line has these words."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if words in " ".join(child.cmdline())]


@contextmanager
def container(tmp_path, **settings):
    """One that is ready, and gone afterwards."""
    running = Container(tmp_path / "log", **settings)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            for child in [*psutil.Process(running.process.pid).children(recursive=True), running.process]:
                child.kill()
            running.process.wait()
        running.client.close()


def order(client, **body):
    """The indices of the ranked documents."""
    answer = client.post("/rerank", json=QUESTION | body).raise_for_status().json()
    return [result["index"] for result in answer["results"]]


def test_it_starts_ranks_is_healthy_and_drains(tmp_path, capsys):
    """Then it ends with 0, and has answered everybody; its log is JSON from the first line."""
    with container(tmp_path) as running:
        with capsys.disabled():
            print(f"\nready after {running.ready_s:.1f} s")  # noqa: T201 - a figure to report
        assert order(running.client) == [1, 0]
        check = in_image("python", "-I", "/opt/bento/deploy/image/healthcheck.py", PORT=running.port)
        assert subprocess.run(check, check=False).returncode == 0
        (supervisor,) = running.pids("bentorank serve")[:1]
        supervisor.send_signal(signal.SIGTERM)
        assert running.process.wait(40) == 0
        assert all(json.loads(line) for line in running.log.splitlines())


def test_it_says_how_it_is_asked_and_stopped():
    """Podman and buildah leave HEALTHCHECK out, with a warning alone, of an image in OCI's own format."""
    said = image_configuration()
    assert said["Healthcheck"]["Test"] == ["CMD", "python", "-I", "/opt/bento/deploy/image/healthcheck.py"]
    assert (said["User"], said["StopSignal"]) == ("10001:10001", "SIGTERM")


def test_a_lost_worker_ends_it(tmp_path):
    """So that the engine starts it anew."""
    with container(tmp_path) as running:
        (worker,) = running.pids("bentoml_impl.worker")[-1:]
        worker.kill()
        assert running.process.wait(15) != 0


def test_a_model_from_a_volume(tmp_path):
    """A folder that `bentorank export` or a first start has made, mounted where nothing can be written."""
    models = tmp_path / "models"
    shutil.copytree(ROOT / "opt" / "bento" / "models" / "starter", models / "mine")
    with container(
        tmp_path, models=models, BENTORANK_MODEL="/models/mine", BENTORANK_SERVED_MODEL_NAME="mine"
    ) as running:
        assert order(running.client) == [1, 0]
        assert running.client.get("/v1/models").json()["data"][0]["id"] == "mine"


def test_nothing_to_build_with_is_left_in_it():
    """No compiler, no version control, no package lists, no pip in the environment that serves."""
    names = {path.name for path in (ROOT / "usr" / "bin").iterdir()}
    assert not {name for name in names if re.fullmatch(r"(gcc|cc|g\+\+|make|git|gpg|curl|wget)(-\d+)?", name)}
    assert not [*(ROOT / "var" / "lib" / "apt" / "lists").glob("*Packages*")]
    assert not [*(ROOT / "opt" / "bentorank" / "lib").glob("python3*/site-packages/pip")]
