"""Bubblewrap: a process that may do less than ours."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.server import REPOSITORY

UID = 10001
WRITABLE = ("tmp", "cache", "bentoml")
VISIT = Path(__file__).with_name("sandboxed_visit.py")

needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


def visit_in_sandbox(home: Path, command: list[str], timeout_s: float = 150, **settings: object) -> dict[str, Any]:
    """What came of starting, asking and stopping `command` as a stranger without rights, disk or network.

    A user id that nobody has, no capabilities, no way to gain any, everything read-only but three folders of `home`,
    nothing but a loopback interface, and an environment that turns nothing off.
    """
    for name in WRITABLE:
        (home / name).mkdir(parents=True)
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "TMPDIR": home / "tmp",
        "BENTORANK_CACHE_DIR": home / "cache",
        "BENTOML_HOME": home / "bentoml",
        **{f"BENTORANK_{name.upper()}": value for name, value in settings.items()},
    }
    sandbox = ["bwrap", "--unshare-all", "--uid", str(UID), "--gid", str(UID), "--cap-drop", "ALL", "--clearenv"]
    sandbox += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--die-with-parent", "--new-session"]
    sandbox += [word for name in WRITABLE for word in ("--bind", str(home / name), str(home / name))]
    sandbox += [word for name, value in environment.items() for word in ("--setenv", name, str(value))]
    sandbox += ["--chdir", str(REPOSITORY), sys.executable, str(VISIT), *command]
    done = subprocess.run(sandbox, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1]) | {"log": done.stderr}
