"""Starts a program whose wall clock the test can set."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = Path(__file__).with_suffix(".c")


class ShiftedClock:
    """Skips the test where there is no C compiler. libfaketime would do, but makes CPython's `time.sleep` fail."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("there is no C compiler here")
        self._library, self._file = folder / "shifted_clock.so", folder / "shift"
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", str(SOURCE), "-o", str(self._library), "-ldl"], check=True)
        self.shift(0)

    def shift(self, seconds: int) -> None:
        """From now on the program's wall clock is so much ahead of ours."""
        part = self._file.with_suffix(".part")
        part.write_text(f"{seconds}")
        part.replace(self._file)

    def command(self, *command: str) -> Sequence[str]:
        """What starts `command` under this clock."""
        return ["env", f"LD_PRELOAD={self._library}", f"CLOCK_SHIFT={self._file}", *command]
