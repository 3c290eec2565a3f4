"""Standard output, past Python's buffer: a process could not end while a thread waits with that in its hands."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


class StandardOutput:
    """Each line is one write, so that lines of several processes do not mix."""

    def __init__(self) -> None:
        self._descriptor = sys.stdout.fileno()

    def write(self, line: str) -> None:
        """Without a reader it is lost: there is nowhere else to say so."""
        content = f"{line}\n".encode("utf-8", "backslashreplace")
        with suppress(OSError):
            while content:
                content = content[os.write(self._descriptor, content) :]
