"""HAProxy and nginx with the configurations that the documentation gives, on free ports."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.server import REPOSITORY, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIGURATIONS = {"haproxy": "haproxy.cfg", "nginx": "nginx.conf"}
SEARCHED = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"


@contextmanager
def running_proxy(kind: str, instances: tuple[int, int]) -> Iterator[str]:
    """The URL of a proxy in front of two ports; skips the test where the proxy is not installed."""
    program = shutil.which(kind) or shutil.which(kind, path=SEARCHED)
    if program is None:
        pytest.skip(f"{kind} is not installed")
    port = free_port()
    text = (REPOSITORY / "deploy" / "proxies" / CONFIGURATIONS[kind]).read_text()
    for written, real in zip(("3000", "3001", "3002"), (port, *instances), strict=True):
        text, count = re.subn(rf"127\.0\.0\.1:{written}\b", f"127.0.0.1:{real}", text)
        assert count == 1, f"{kind}: port {written} stands {count} times in its configuration"
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / CONFIGURATIONS[kind]
        configuration.write_text(text)
        process = subprocess.Popen(_command(kind, program, configuration), stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: _listens(port), within_s=10)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _command(kind: str, program: str, configuration: Path) -> list[str]:
    if kind == "haproxy":
        return [program, "-db", "-f", str(configuration)]
    # Its own paths, for which one would have to be root, all lie in the folder.
    folder = configuration.parent
    directives = f"daemon off; pid {folder}/pid; error_log {folder}/error.log;"
    return [program, "-e", f"{folder}/error.log", "-p", str(folder), "-c", str(configuration), "-g", directives]
