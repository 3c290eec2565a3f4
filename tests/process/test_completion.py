"""Shell completion, installed by the command itself into a home of its own, and asked for with the tab key."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import pytest

FOLDER = Path(sys.executable).parent  # where `bentorank` is
SHELLS = ("bash", "zsh", "fish")
PATIENCE_S = 60
ESCAPES = re.compile(r"\x1b(?:\[[0-9;?>]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()=>].?)|[\x07\x08\r]")


class Terminal:
    """A shell of an interactive session, in a home of its own."""

    def __init__(self, shell: str, home: Path) -> None:
        environment = {"HOME": str(home), "PATH": f"{FOLDER}:{os.environ['PATH']}", "TERM": "xterm", "PS1": "$ "}
        self._process, self._keyboard = pty.fork()
        if self._process == 0:
            os.chdir(home)
            os.execvpe(shell, [shell, "-i"], environment)

    def type(self, keys: str, until: str) -> None:
        """Wait for `until` on the screen after these keys."""
        os.write(self._keyboard, keys.encode())
        shown, deadline = "", time.monotonic() + PATIENCE_S
        while until not in shown:
            assert time.monotonic() < deadline, shown
            if select.select([self._keyboard], [], [], 0.2)[0]:
                shown = ESCAPES.sub("", shown + os.read(self._keyboard, 65536).decode(errors="replace"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._keyboard)


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_the_tab_key_completes(shell, tmp_path):
    """Commands, options and the choices of an option, in the shell's next session."""
    if shutil.which(shell) is None:
        pytest.skip(f"Debian's package {shell} brings it")
    (tmp_path / ".zshrc").touch()  # or it asks what to write there
    (tmp_path / "notes-of-owls.txt").touch()
    with Terminal(shell, tmp_path) as first:
        first.type("bentorank --install-completion\n", "restart the terminal")
    first_tab = "\t\t" if shell == "zsh" else "\t"  # zsh loads the function with the first of a session
    with Terminal(shell, tmp_path) as terminal:
        terminal.type(f"bentorank rer{first_tab}", "bentorank rerank ")
        terminal.type("--precis\t", "--precision")
        terminal.type(" bf\t", "bf16")
        terminal.type(" owls notes\t", "notes-of-owls.txt")


def test_bash_is_told_what_fits():
    """As its completion asks, without a terminal."""
    asked = {"COMP_WORDS": "bentorank rerank --co", "COMP_CWORD": "2", "_BENTORANK_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [FOLDER / "bentorank"], env={**os.environ, **asked}, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["--color"]
