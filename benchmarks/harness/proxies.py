"""HAProxy and nginx with the configurations of `deploy/proxies`, on free ports."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness.servers import POLL_S, free_port, listens

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[2] / "deploy" / "proxies"
SEARCHED = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
START_TIMEOUT_S = 10.0


class ProxyError(Exception):
    """A proxy is not installed, or does not start."""


@contextmanager
def run_proxy(kind: str, instances: tuple[int, int]) -> Iterator[int]:
    """The port of `haproxy` or `nginx` in front of two ports. Raises ProxyError."""
    program = shutil.which(kind) or shutil.which(kind, path=SEARCHED)
    if program is None:
        raise ProxyError(f"{kind} is not installed")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / f"{kind}.cfg"
        configuration.write_text(_configured(kind, port, instances))
        process = subprocess.Popen(_command(kind, program, configuration), stderr=subprocess.DEVNULL)
        try:
            _wait_until_it_listens(kind, port)
            yield port
        finally:
            process.terminate()
            process.wait(10)


def _configured(kind: str, port: int, instances: tuple[int, int]) -> str:
    """The configuration with these ports for those that it names."""
    (written,) = FOLDER.glob(f"{kind}.*")
    text = written.read_text()
    for name, real in zip(("3000", "3001", "3002"), (port, *instances), strict=True):
        text, count = re.subn(rf"127\.0\.0\.1:{name}\b", f"127.0.0.1:{real}", text)
        if count != 1:
            raise ProxyError(f"{written.name} names port {name} {count} times, not once")
    return text


def _command(kind: str, program: str, configuration: Path) -> list[str]:
    if kind == "haproxy":
        return [program, "-db", "-f", str(configuration)]
    # Its own paths, for which one would have to be root, all lie in the folder.
    folder = configuration.parent
    directives = f"daemon off; pid {folder}/pid; error_log {folder}/error.log;"
    return [program, "-e", f"{folder}/error.log", "-p", str(folder), "-c", str(configuration), "-g", directives]


def _wait_until_it_listens(kind: str, port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not listens(port):
        if time.monotonic() > deadline:
            raise ProxyError(f"{kind} does not listen after {START_TIMEOUT_S:.0f} s")
        time.sleep(POLL_S)
