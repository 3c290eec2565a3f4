"""Standard output, past Python's buffer: a process could not end while a thread waits with that in its hands."""

from __future__ import annotations

import logging
import os
import sys


class StandardOutput(logging.Handler):
    """Each line in one write, so that lines of several processes do not mix; without a reader they are lost."""

    def __init__(self) -> None:
        super().__init__()
        self._descriptor = sys.stdout.fileno()

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        try:
            line = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError:
            return  # nobody reads, and there is nowhere else to say so
        except Exception:  # noqa: BLE001 - as every handler of logging's
            self.handleError(record)
