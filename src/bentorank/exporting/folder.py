"""The exported folder: the checkpoint's own files and the converted model, complete or not there at all."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bentorank.exporting.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bentorank.engines.checkpoint import Checkpoint
    from bentorank.engines.openvino.ir_store import StoredModel
    from bentorank.engines.openvino.quantization import Model

# What describes a model, its tokenizer and its licence; pickles and other engines' formats stay behind.
CHECKPOINT_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "README*", "LICENSE*", "NOTICE*")
# Of a part of the model that modules.json names, such as a LogitScore.
_PART_FILES = "*/config.json"


def check_target(target: Path, source: Path, *, force: bool) -> None:
    """Raises ExportError where `target` would replace something that nobody asked to replace."""
    place, model = target.resolve(), source.resolve()
    if place == model or place in model.parents or model in place.parents:
        raise ExportError(f"{target} and the model that is exported lie in each other: choose another --out")
    if not target.exists():
        return
    if not force:
        raise ExportError(f"{target} exists: choose another --out, or let --force replace it")
    if not (target / "config.json").is_file():
        raise ExportError(f"{target} is no model folder, and --force replaces nothing else: choose another --out")


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `target` when the block ends, and is gone if the block raises."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        folder = Path(scratch) / target.name
        folder.mkdir()
        yield folder
        if target.exists():
            # Beside the new one, so that it goes with the scratch folder and is back where it was if renaming fails.
            replaced = target.rename(Path(scratch) / "replaced")
            try:
                folder.rename(target)
            except OSError:
                replaced.rename(target)
                raise
        else:
            folder.rename(target)


def write_checkpoint(folder: Path, checkpoint: Checkpoint, converted: StoredModel) -> None:
    """Fill `folder` with the checkpoint's files, and with the tokenizer and prompts of its converted model."""
    for pattern in (*CHECKPOINT_FILES, _PART_FILES):
        for file in checkpoint.folder.glob(pattern):
            if file.is_file():
                copy = folder / file.relative_to(checkpoint.folder)
                copy.parent.mkdir(exist_ok=True)
                shutil.copyfile(file, copy)
    openvino = folder / "openvino"
    openvino.mkdir(exist_ok=True)
    # transformers may build a tokenizer otherwise than its file says, and conversion keeps what it built.
    shutil.copyfile(converted.tokenizer, openvino / "tokenizer.json")
    if converted.prompt is not None:
        shutil.copyfile(converted.prompt, openvino / "prompt.json")


def write_model(folder: Path, model: Model, name: str) -> None:
    """Save `model`, an `openvino.Model`, as `openvino/<name>.xml` of `folder`, with all that is f32 left in f32."""
    import openvino  # noqa: PLC0415 - only after telemetry is forbidden

    openvino.save_model(model, folder / "openvino" / f"{name}.xml", compress_to_fp16=False)
