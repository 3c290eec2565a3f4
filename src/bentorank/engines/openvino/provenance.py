"""Which files of an exported folder belong together: the converted model, tokenizer and weights; and how it is asked.

A model of another checkpoint has the same shapes, loads, and ranks by other weights or words.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from bentorank.engines.options import ModelHints
from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What `bentorank export` tells of a folder, in the folder.
RECORD = "openvino/export.json"

# Of the record.
_PARTS = ("hints", "files")
_PATTERNS = ("*.safetensors", "openvino/*.xml", "openvino/*.bin", "openvino/tokenizer.json", "openvino/prompt.json")
# 4 MiB in all, evenly over a file: gigabytes are not read at every start, and a fine-tune that moved matrices in the
# middle, and left tables and head as they were, is told all the same.
_SAMPLES = 256
_SAMPLE_BYTES = 16 << 10


def digests(folder: Path) -> dict[str, str]:
    """A digest of each file that must be of one model, by its path in `folder`."""
    return {file.relative_to(folder).as_posix(): _digest(file) for file in _files(folder)}


def recorded_hints(folder: Path) -> ModelHints:
    """What was said of an exported model when it was exported, since its own files do not say it."""
    hints = _record(folder / RECORD).get("hints", {})
    return ModelHints(prompt_format=hints.get("prompt_format"), two_labels=hints.get("two_labels", False))


def check_provenance(folder: Path, name: str) -> None:
    """Raises ConfigurationError, naming the file, where one is not that which the folder's record tells of.

    A folder without a record, or one whose record is older than digests, is taken as it is, and so is a file that the
    record does not know.
    """
    recorded = _record(folder / RECORD).get("files", {})
    for file in _files(folder):
        place = file.relative_to(folder).as_posix()
        if place in recorded and recorded[place] != _digest(file):
            raise ConfigurationError(
                f"the model {name} has a {place} that is not the one that was exported with the rest of openvino/: it"
                " is of another model, or was changed; export it again, or remove openvino/"
            )


def _files(folder: Path) -> Iterator[Path]:
    for pattern in _PATTERNS:
        yield from sorted(folder.glob(pattern))


def _record(file: Path) -> dict[str, Any]:
    """With objects for its parts; nothing where there is none. Raises ConfigurationError for what is no record."""
    try:
        record = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        record = None
    if isinstance(record, dict) and all(isinstance(record.get(part, {}), dict) for part in _PARTS):
        return record
    raise ConfigurationError(
        f"{RECORD}, which tells what belongs together, cannot be read: export the model again, or remove openvino/"
    )


def _digest(file: Path) -> str:
    """SHA-256 over a file's length, samples of it, and its end; over all of a small one."""
    size = file.stat().st_size
    starts = range(0, size, max(_SAMPLE_BYTES, size // _SAMPLES))
    digest = hashlib.sha256(b"%d\0" % size)
    with file.open("rb") as content:
        for start in (*starts, max(0, size - _SAMPLE_BYTES)):
            content.seek(start)
            digest.update(content.read(_SAMPLE_BYTES))
    return digest.hexdigest()
