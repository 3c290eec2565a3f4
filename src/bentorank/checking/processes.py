"""Runs a step of a check in a process of its own: it gives its memory back, and may be killed for want of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from bentorank.checking.steps import Refused, heard
from bentorank.child_process import child_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bentorank.checking.steps import Step


def run(module: str, *arguments: str) -> Iterator[Step]:
    """What the module says, step by step; where it ends otherwise than well, the last one is why."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints,
        subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", module, *arguments],
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None, "bug: asked for a pipe"
        try:
            yield from filter(None, map(heard, process.stdout))
            if status := process.wait():
                complaints.seek(0)
                yield Refused(_why(status, complaints.read()))
        finally:
            process.kill()  # it holds nothing that wants closing


def _why(status: int, complaints: str) -> str:
    if status == -signal.SIGKILL:
        return "its process was killed, most likely for want of memory"
    if status < 0:
        return f"its process was ended by {signal.Signals(-status).name}"
    lines = complaints.strip().splitlines()
    return f"its process failed: {lines[-1]}" if lines else f"its process ended with status {status}"
