"""Where OpenVINO models (IR) come from: shipped beside the weights, kept from an earlier start, or made."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from bentorank.child_process import child_environment, undone_at_exit
from bentorank.engines.fingerprint import files_digest, fingerprint
from bentorank.engines.openvino.conversion import EXIT_MODEL_REFUSED
from bentorank.engines.openvino.ir_files import require_whole
from bentorank.engines.openvino.provenance import check_provenance
from bentorank.engines.options import Precision
from bentorank.engines.stored_files import refuse_pointer
from bentorank.errors import ConfigurationError
from bentorank.installing import install_extra

if TYPE_CHECKING:
    from bentorank.engines.checkpoint import Checkpoint

# Part of every cache key: raise it when a conversion would come out differently.
_FORMAT = 8

# Whatever a tokenizer may be read from.
_TOKENIZER_FILES = ("*.json", "*.txt", "*.model", "*.jinja")

CONVERSION_TIMEOUT_S = 1800
# What fails on a disk with less has failed for want of it: OpenVINO itself tells of a stream that failed.
_FULL_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class StoredModel:
    """An IR and the tokenizer.json that goes with it, and the prompt.json of a model that reads prompts.

    Inputs are int64 of shape (pairs, tokens): `input_ids`, `attention_mask` and, only where the tokenizer's
    segments are to be fed, `token_type_ids`; of a model that reads its last token, `shared_ids` of shape (1, tokens),
    which the others follow. The one output is the logits, (pairs, 1).
    """

    xml: Path
    tokenizer: Path
    prompt: Path | None = None

    @property
    def files(self) -> list[Path]:
        """Everything that a score depends on."""
        files = [self.xml, self.xml.with_suffix(".bin"), self.tokenizer]
        return files if self.prompt is None else [*files, self.prompt]

    @property
    def weights_bytes(self) -> int:
        """Of memory, before anything is prepared for this CPU."""
        return self.xml.with_suffix(".bin").stat().st_size


def prebuilt_int8(checkpoint: Checkpoint) -> StoredModel | None:
    """The int8 IR that a checkpoint ships, if it does."""
    return prebuilt(checkpoint, quantized=True)


def prebuilt(checkpoint: Checkpoint, *, quantized: bool) -> StoredModel | None:
    """The IR that a checkpoint ships as `openvino/int8.xml` or `f32.xml`, with a tokenizer.json there or above.

    Raises ConfigurationError where one of these is missing, cut off or not what its name says.
    """
    xml = checkpoint.folder / "openvino" / f"{_kind(quantized=quantized)}.xml"
    own_tokenizer = xml.with_name("tokenizer.json")
    if not (xml.exists() or xml.with_suffix(".bin").exists()):
        return None
    require_whole(xml)
    check_provenance(checkpoint.folder, checkpoint.name)
    tokenizer = own_tokenizer if own_tokenizer.exists() else checkpoint.folder / "tokenizer.json"
    shipped = StoredModel(xml, tokenizer, _prompt_in(xml.parent, checkpoint))
    if not shipped.tokenizer.exists():
        raise ConfigurationError(f"the model {checkpoint.name} has an OpenVINO model and no tokenizer.json with it")
    refuse_pointer(shipped.tokenizer)
    return shipped


def stored_model(checkpoint: Checkpoint, precision: Precision, cache_dir: Path) -> StoredModel:
    """The IR for a checkpoint, converted now if no earlier start did; f32 and bf16 share one.

    Conversion takes seconds to minutes and several times the weights in memory, in a process of its own.
    Concurrent callers wait for one conversion. Raises ConfigurationError when it is impossible.
    """
    quantized = precision is Precision.INT8
    if shipped := prebuilt(checkpoint, quantized=quantized):
        return shipped
    folder = cache_folder(checkpoint, cache_dir, quantized=quantized)
    if not folder.exists():
        _require_converters(checkpoint, quantized=quantized)
        _make_writable(folder.parent, checkpoint)
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                _convert_into(folder, checkpoint, quantized=quantized)
    return StoredModel(folder / "model.xml", folder / "tokenizer.json", _prompt_in(folder, checkpoint))


def _prompt_in(folder: Path, checkpoint: Checkpoint) -> Path | None:
    return folder / "prompt.json" if checkpoint.has_prompts else None


def cache_folder(checkpoint: Checkpoint, cache_dir: Path, *, quantized: bool) -> Path:
    """Where the conversion of this checkpoint is kept: another model, or other software, has another folder."""
    source = [
        *checkpoint.weight_files(),
        *(file for pattern in _TOKENIZER_FILES for file in checkpoint.folder.glob(pattern)),
    ]
    digest = files_digest(dict.fromkeys(source))
    asked = (checkpoint.answer, checkpoint.prompt_format, checkpoint.two_labels)
    return cache_dir / "openvino" / fingerprint(_FORMAT, version("openvino"), digest, asked, _kind(quantized=quantized))


def _kind(*, quantized: bool) -> str:
    return "int8" if quantized else "f32"


def _require_converters(checkpoint: Checkpoint, *, quantized: bool) -> None:
    if find_spec("sentence_transformers") is None:
        raise ConfigurationError(
            f"converting {checkpoint.name} for OpenVINO needs torch once: {install_extra('torch')}"
        )
    if quantized:
        require_nncf(f"{checkpoint.name} ships no int8 model")


def require_nncf(reason: str) -> None:
    """Raises ConfigurationError where NNCF is not installed; `reason` begins the sentence."""
    if find_spec("nncf") is None:
        raise ConfigurationError(f"{reason}, and making one takes NNCF: {install_extra('quantize')}")


def _make_writable(parent: Path, checkpoint: Checkpoint) -> None:
    """Raises ConfigurationError, without the path, where no conversion could be kept."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(parent, os.W_OK) else "not to be written to"
    except OSError as error:
        reason = error.strerror or "cannot be made"
    if reason:
        raise ConfigurationError(
            f"{checkpoint.name} has to be converted for OpenVINO, and the folder for that is unusable: {reason};"
            " set BENTORANK_CACHE_DIR to one that can be written to"
        )


def _convert_into(folder: Path, checkpoint: Checkpoint, *, quantized: bool) -> None:
    """Convert beside `folder` and rename, so that a folder that exists is complete; the caller holds its lock."""
    for abandoned in folder.parent.glob(f"{folder.name}.*/"):
        shutil.rmtree(abandoned, ignore_errors=True)  # by a process that was killed: gigabytes, perhaps
    scratch = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    with undone_at_exit(partial(shutil.rmtree, scratch, ignore_errors=True)):
        _run_conversion(scratch, checkpoint, quantized=quantized)
        scratch.chmod(0o755)
        scratch.replace(folder)


def _run_conversion(target: Path, checkpoint: Checkpoint, *, quantized: bool) -> None:
    order = {
        "folder": str(checkpoint.folder),
        "target": str(target),
        "max_tokens": checkpoint.max_tokens,
        "hints": {"prompt_format": checkpoint.prompt_format, "two_labels": checkpoint.two_labels},
        "quantize": quantized,
    }
    # A process of its own: torch takes 500 MB that a server would never get back.
    with (
        subprocess.Popen(
            [sys.executable, "-m", "bentorank.engines.openvino.conversion"],
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child,
        undone_at_exit(child.kill),
    ):
        try:
            _, complaints = child.communicate(json.dumps(order), CONVERSION_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise ConfigurationError(
                f"OpenVINO took over {CONVERSION_TIMEOUT_S} s to convert {checkpoint.name}, try the torch engine"
            ) from error
    if child.returncode == -signal.SIGKILL:
        raise ConfigurationError(
            f"converting {checkpoint.name} for OpenVINO was killed, most likely for want of memory: it takes several"
            " times the weights; convert it elsewhere with `bentorank export`, or try the torch engine"
        )
    if child.returncode != 0:
        reason = (complaints.strip().splitlines() or [f"exit status {child.returncode}"])[-1]
        if child.returncode == EXIT_MODEL_REFUSED:
            raise ConfigurationError(reason)
        if shutil.disk_usage(target).free < _FULL_BYTES:
            raise ConfigurationError(
                f"{checkpoint.name} has to be converted for OpenVINO, and the disk of the folder for that is full: make"
                " room, or set BENTORANK_CACHE_DIR to another"
            )
        raise ConfigurationError(f"OpenVINO cannot convert {checkpoint.name}, try the torch engine: {reason}")
