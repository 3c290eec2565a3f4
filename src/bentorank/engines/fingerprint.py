"""A short name for everything that a score depends on."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_SHA256 = re.compile(r"[0-9a-f]{64}")


def fingerprint(*parts: object) -> str:
    """Sixteen bytes in hex over `parts`, in order."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]


def files_digest(files: Iterable[Path]) -> str:
    """A digest over names and contents."""
    return fingerprint(*(f"{file.name}={_file_digest(file)}" for file in sorted(files)))


def _file_digest(file: Path) -> str:
    # The hub's cache names a large file by its own SHA-256, which saves reading gigabytes at every start.
    blob = file.resolve()
    if blob.parent.name == "blobs" and _SHA256.fullmatch(blob.name):
        return blob.name
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
