"""Folders of small random models for tests of the whole service, and one whose weights no memory holds."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

TINY_MODELS = Path(__file__).parents[1] / "unit" / "engines" / "tiny_models.py"
GIB = 2**30


def tiny_models() -> ModuleType:
    """What builds them; it imports torch."""
    spec = importlib.util.spec_from_file_location("tiny_models", TINY_MODELS)
    assert spec is not None and spec.loader is not None, "bug: no such file"  # noqa: PT018 - one fact
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_vast(folder: Path, vast: Path, gib: int = 512) -> None:
    """A copy of a model's folder with one tensor more of so many GiB, which takes no room on the disk."""
    shutil.copytree(folder, vast)
    tensor = {"dtype": "F32", "shape": [gib * GIB // 4], "data_offsets": [0, gib * GIB]}
    header = json.dumps({"vast.weight": tensor}).encode()
    with (vast / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + gib * GIB)
