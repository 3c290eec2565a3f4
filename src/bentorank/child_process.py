"""A Python process of our own: it imports what this one does, and does not outlive it."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Not one of our settings, whose names begin otherwise.
_PARENT_VARIABLE: Final = "_BENTORANK_PARENT_PID"
# The folder that the package lies in: with other packages, or alone.
IMPORT_FOLDER: Final = str(Path(__file__).parents[1])
# Of <linux/prctl.h>.
_PR_SET_PDEATHSIG: Final = 1


_unfinished: list[Callable[[], object]] = []


@contextmanager
def undone_at_exit(undo: Callable[[], object]) -> Iterator[None]:
    """Call `undo` after the context, or at `undo_unfinished`: it may be entered on a thread that nobody waits for."""
    _unfinished.append(undo)
    try:
        yield
    finally:
        if undo in _unfinished:
            _unfinished.remove(undo)
        undo()


@atexit.register
def undo_unfinished() -> None:
    """What has begun and will not end, the last first. By hand where a signal ends the process, and no exit is run."""
    while _unfinished:
        _unfinished.pop()()


def child_environment(**variables: str) -> dict[str, str]:
    """The environment of such a process: this one's, with `variables` and the folders that it imports from.

    Of the folder that it starts in, which may be a model's, it imports nothing.
    """
    folders = os.pathsep.join(path for path in sys.path if path)
    own = {_PARENT_VARIABLE: str(os.getpid()), "PYTHONPATH": folders, "PYTHONSAFEPATH": "1"}
    return os.environ | variables | own


def end_with_parent() -> None:
    """Have the kernel kill this process with the one that made its environment, however that ends; on Linux alone.

    Converting a model takes minutes and gigabytes, which the next start of a killed server needs for itself.
    """
    parent = os.environ.get(_PARENT_VARIABLE)
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        os.kill(os.getpid(), signal.SIGKILL)  # it was gone before
