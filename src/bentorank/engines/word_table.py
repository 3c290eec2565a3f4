"""A model's own word embeddings, mapped from its weights: only the rows that are looked up are ever read."""

from __future__ import annotations

import json
import os
import weakref
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from bentorank.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from bentorank.engines.checkpoint import Checkpoint

# How the families call their input embeddings. Checked by their shape too: rows of the vocabulary, of some width.
_NAMES: Final = (
    "word_embeddings.weight",
    "tok_embeddings.weight",
    "embed_tokens.weight",
    "word_embedding.weight",
    "wte.weight",
    "embed_in.weight",
    "shared.weight",
)
_LENGTH_BYTES: Final = 8
_STORED_AS: Final[dict[str, np.dtype[Any]]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
}
# Rows that stand for all, in computing their mean: evenly spaced, since neighbours are alike in some vocabularies.
_SAMPLED_ROWS: Final = 4096
_LEAST_NORM: Final = 1e-6


class _MappedFile:
    """To read what a file has lost ends the process (SIGBUS), and what it has gained instead is of another model."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        self._opened = self._state()

    def check(self) -> None:
        """Raises UnavailableError if it was written to in place; another file in its place does no harm."""
        if self._state() != self._opened:
            raise UnavailableError(
                "first_stage: the file of the model's weights was changed while it is served; start the service again"
            )

    def _state(self) -> tuple[int, int]:
        told = os.fstat(self._descriptor)
        return told.st_size, told.st_mtime_ns


class WordTable:
    """Word embeddings as directions from their mean: all words of a model have much of that in common."""

    def __init__(self, rows: NDArray[Any], *, is_bf16: bool = False, check: Callable[[], None] = lambda: None) -> None:
        """`rows` has shape (vocabulary, width); bf16 ones as their bits, which numpy has no type for.

        `check` is called before any of them is read, and raises where they are not to be read any more.
        """
        self._rows = rows
        self._is_bf16 = is_bf16
        self._check = check

    @property
    def size(self) -> int:
        """Number of words."""
        return len(self._rows)

    @cached_property
    def _mean(self) -> NDArray[np.float32]:
        # Not before somebody asks: rows so spread have the whole table read, which few services need.
        step = max(1, len(self._rows) // _SAMPLED_ROWS)
        mean: NDArray[np.float32] = self._floats(self._rows[::step]).mean(axis=0)
        return mean

    def directions(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Of shape (len(ids), width) and unit length; zeros for what has none. Any thread.

        Raises UnavailableError if the file of the weights was changed since it was opened.
        """
        self._check()
        vectors = self._floats(self._rows[ids]) - self._mean
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        directions: NDArray[np.float32] = vectors / np.maximum(norms, _LEAST_NORM)
        return np.nan_to_num(directions, copy=False, posinf=0.0, neginf=0.0)

    def _floats(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        if not self._is_bf16:
            return rows.astype(np.float32)
        return (rows.astype(np.uint32) << 16).view(np.float32)


def open_word_table(checkpoint: Checkpoint) -> WordTable | None:
    """The input embeddings in the checkpoint's safetensors; None where they are not to be told from other tensors."""
    for name, shape in checkpoint.weight_shapes().items():
        if name.endswith(_NAMES) and len(shape) == 2 and shape[0] >= (checkpoint.vocab_size or 1):  # noqa: PLR2004 - rows, width
            return _mapped(checkpoint.folder, name)
    return None


def _mapped(folder: Path, tensor: str) -> WordTable | None:
    # What transformers prefers first.
    for path in sorted(folder.glob("*.safetensors"), key=lambda path: path.name != "model.safetensors"):
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            entry = json.loads(file.read(length)).get(tensor)
        if entry is None:
            continue
        stored_as = _STORED_AS.get(entry["dtype"])
        if stored_as is None:
            return None
        offset = _LENGTH_BYTES + length + entry["data_offsets"][0]
        rows: NDArray[Any] = np.memmap(path, stored_as, mode="r", offset=offset, shape=tuple(entry["shape"]))
        return WordTable(rows, is_bf16=entry["dtype"] == "BF16", check=_MappedFile(path).check)
    return None
