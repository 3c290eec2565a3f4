"""A pod of the chart, as near as a machine without Kubernetes comes: its variables, user and places to write to."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil

from support.fetching import fetch
from support.helm_policies import environment_of
from support.sandbox import UID
from support.server import BIN, REPOSITORY, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.helm import Rendered

HOME = "/home/bentorank"
# What the image sets.
IMAGE = {
    "PATH": "/usr/bin:/bin",
    "HOME": HOME,
    "BENTOML_HOME": f"{HOME}/bentoml",
    "BENTORANK_CACHE_DIR": f"{HOME}/cache",
    "HF_HOME": f"{HOME}/huggingface",
    "BENTOML_HOST": "127.0.0.1",
    "BENTOML_CONTAINERIZED": "true",
    "BENTOML_DO_NOT_TRACK": "True",
}


class Pod:
    """A running one; its port is free on this machine, everything else as the manifests say."""

    def __init__(self, rendered: Rendered, keys: Path, log: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._rendered = rendered
        self._log = log
        variables = IMAGE | environment_of(rendered) | {"BENTOML_PORT": port, "BENTORANK_API_KEYS_FILE": keys}
        command = ["bwrap", "--unshare-all", "--share-net", "--uid", str(UID), "--gid", str(UID), "--cap-drop", "ALL"]
        command += ["--clearenv", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--die-with-parent"]
        command += ["--tmpfs", "/tmp", "--tmpfs", "/home", "--tmpfs", HOME, "--remount-ro", "/home"]
        # A checkout may lie below one of these.
        command += ["--ro-bind", str(REPOSITORY), str(REPOSITORY)]
        command += ["--ro-bind", str(keys), str(keys), "--chdir", str(REPOSITORY)]
        command += [word for name, value in variables.items() for word in ("--setenv", name, str(value))]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, str(BIN / "bentoml"), "serve", "service:BentoRank"],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> str:
        """What it has written."""
        return self._log.read_text(errors="replace")

    def probe(self, kind: str) -> int | None:
        """The status that a probe of it sees; None if there is no answer in time."""
        probe = self._rendered.server[f"{kind}Probe"]
        with contextlib.suppress(OSError):
            return fetch(self.url + probe["httpGet"]["path"], probe["timeoutSeconds"])[0]
        return None

    def stop(self) -> int:
        """The status after SIGTERM, within the pod's grace; its liveness and readiness while it drains are checked."""
        server = next(child for child in psutil.Process(self.process.pid).children(recursive=True) if _is_server(child))
        server.terminate()
        wait_until(lambda: self.probe("readiness") == 503, within_s=2)
        assert self.probe("liveness") == 200
        pod = self._rendered.one("Deployment")["spec"]["template"]["spec"]
        return self.process.wait(pod["terminationGracePeriodSeconds"])

    def test(self, keys: Path) -> subprocess.CompletedProcess[str]:
        """What the pod of `helm test` does."""
        (container,) = self._rendered.one("Pod")["spec"]["containers"]
        assert container["command"][0] == "python"
        return subprocess.run(
            [sys.executable, *container["command"][1:], *container["args"]],
            env={"RANK_URL": self.url, "RANK_KEYS_FILE": str(keys)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def _is_server(process: psutil.Process) -> bool:
    return any(word.endswith("/bentoml") for word in process.cmdline()) and "bwrap" not in process.name()


@contextlib.contextmanager
def running_pod(rendered: Rendered, keys: Path, log: Path) -> Iterator[Pod]:
    """One whose startup probe has succeeded."""
    pod = Pod(rendered, keys, log)

    def is_started() -> Any:
        assert pod.process.poll() is None, pod.log
        return pod.probe("startup") == 200

    try:
        wait_until(is_started)
        yield pod
    finally:
        pod.process.kill()
        pod.process.wait(10)
