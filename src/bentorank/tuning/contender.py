"""Talks to `bentorank.tuning.measuring` in a process of its own, so that candidates share no threads and no memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from bentorank.child_process import child_environment
from bentorank.settings import environment_name
from bentorank.tuning.measuring import Loaded, Measurement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bentorank.tuning.candidates import Candidate

STOPPED_WITHIN_S = 10


class ContenderError(Exception):
    """This candidate cannot be measured; the message says why."""


class Contender:
    """A loaded candidate; `loaded` says what it is."""

    def __init__(self, candidate: Candidate, process: subprocess.Popen[str], complaints: IO[str]) -> None:
        self.candidate = candidate
        self._process = process
        self._complaints = complaints
        self.loaded = Loaded(**self._read()["loaded"])

    def measure(self, pairs: int) -> Measurement:
        """Score so many pairs. Raises ContenderError if the process fails over it."""
        assert self._process.stdin is not None, "bug: asked for a pipe"
        try:
            self._process.stdin.write(f"{pairs}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ContenderError(self._last_complaint()) from None
        return Measurement(**self._read())

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None, "bug: asked for a pipe"
        # Model loaders print, too: answers are the lines that are JSON objects.
        for line in self._process.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                if "refused" in answer:
                    raise ContenderError(answer["refused"])
                return answer
        raise ContenderError(self._last_complaint())

    def _last_complaint(self) -> str:
        status = self._process.wait(STOPPED_WITHIN_S)
        self._complaints.seek(0)
        lines = self._complaints.read().strip().splitlines()
        return lines[-1] if lines else f"its process ended with status {status}"


@contextmanager
def run_contender(candidate: Candidate, settings: Mapping[str, str], lists: Path) -> Iterator[Contender]:
    """Load a candidate on top of `settings` (values by field), and end its process afterwards.

    `lists` is a JSON file of lists of [query, passage]. Raises ContenderError for what cannot be loaded.
    """
    fields = {**settings, **dict(candidate.overrides)}
    variables = {environment_name(field): value for field, value in fields.items()}
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints,
        subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "bentorank.tuning.measuring", str(lists)],
            env=child_environment(**variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        ) as process,
    ):
        try:
            yield Contender(candidate, process, complaints)
        finally:
            process.kill()  # it holds nothing that wants closing
