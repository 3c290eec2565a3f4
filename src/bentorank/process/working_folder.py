"""Keeps Python files of the folder that `bentorank serve` is started in from being imported: it may be a model's.

A BentoML worker imports from the folder that it starts in, before any code of ours runs. So it starts beside our own
code, and goes to the folder that relative paths of settings mean once our code is there.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from bentorank.child_process import IMPORT_FOLDER

# Not one of our settings, whose names begin otherwise.
_VARIABLE: Final = "_BENTORANK_WORKING_FOLDER"


def start_workers_elsewhere() -> str:
    """Have processes that this one starts import no file of this folder; where workers are to start."""
    os.environ[_VARIABLE] = str(Path.cwd())
    os.environ["PYTHONSAFEPATH"] = "1"
    if folders := os.environ.get("PYTHONPATH"):
        # Relative ones mean this folder, and an empty one is this folder.
        os.environ["PYTHONPATH"] = os.pathsep.join(
            str(Path(part).absolute()) for part in folders.split(os.pathsep) if part
        )
    return IMPORT_FOLDER


def return_to_working_folder() -> None:
    """Go where the command was started, in a worker that was started elsewhere; nothing in any other process.

    Where that folder is no more, settings without relative paths do all the same.
    """
    if (folder := os.environ.get(_VARIABLE)) is not None:
        with suppress(OSError):
            os.chdir(folder)
