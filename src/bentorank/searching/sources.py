"""Which files a search reads: those named, and with `recursive` those below the folders named."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from bentorank.searching.passages import STANDARD_INPUT, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def find_sources(names: Sequence[str], *, recursive: bool, include: Sequence[str]) -> Iterator[Source]:
    """In the order of the names; below a folder by name. `-`, or no name at all, is standard input; with `recursive`
    no name is the folder that one is in.

    Hidden files and folders are left out, and links are not followed, unless they are named. `include` are shell
    patterns of which a file that was only found must match one.
    """
    for name in names or ([""] if recursive else ["-"]):
        if name == "-":
            yield Source(STANDARD_INPUT, None)
        elif recursive and Path(name).is_dir():
            yield from _below(Path(name), include)
        else:
            yield Source(name, Path(name))


def _below(folder: Path, include: Sequence[str]) -> Iterator[Source]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent, name)
            wanted = not include or any(fnmatchcase(name, pattern) for pattern in include)
            if wanted and not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield Source(str(path), path, named=False)
