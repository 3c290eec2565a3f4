"""A run within a time budget: each step's result is written at once, and one that fails or no longer fits is told."""

from __future__ import annotations

import subprocess
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

REASON_LINES = 12


@dataclass(slots=True)
class Session:
    """What was found until now; `results.json` in `out` is always that."""

    out: Path
    budget_s: float
    console: Console
    begun: float = field(default_factory=time.monotonic)
    results: dict[str, Any] = field(default_factory=lambda: {"steps": {}, "failed": {}, "skipped": []})

    @property
    def left_s(self) -> float:
        """Of the budget."""
        return self.budget_s - (time.monotonic() - self.begun)

    def step(self, name: str, takes_s: float, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it found
        """Do `work` if it still fits; None where it did not, or failed."""
        if self.left_s < takes_s:
            self.results["skipped"].append(name)
            self._say(f"{name}: skipped, {self.left_s:.0f} s are left")
            self.write()
            return None
        begun = time.monotonic()
        try:
            found = work()
        except Exception as error:  # noqa: BLE001 - reported, and the next step done
            self.results["failed"][name] = _reason(error)
            self._say(f"{name}: failed\n{_reason(error)}")
            found = None
        else:
            self.results["steps"][name] = found
            self._say(f"{name}: {time.monotonic() - begun:.1f} s")
        self.write()
        return found

    def write(self) -> None:
        """Everything until now."""
        self.out.mkdir(parents=True, exist_ok=True)
        self.results["seconds"] = time.monotonic() - self.begun
        content = orjson.dumps(self.results, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
        (self.out / "results.json").write_bytes(content)

    def _say(self, text: str) -> None:
        self.console.print(f"[{time.monotonic() - self.begun:5.1f} s] {text}", markup=False, highlight=False)


def _reason(error: Exception) -> str:
    """The end of what is known: a server's log, a program's output, or the trace."""
    if isinstance(error, subprocess.CalledProcessError | subprocess.TimeoutExpired):
        output = error.output or b""
        text = f"{error}\n{output.decode(errors='replace') if isinstance(output, bytes) else output}"
    else:
        text = "".join(traceback.format_exception(error)[-2:])
    return "\n".join(text.strip().splitlines()[-REASON_LINES:])
