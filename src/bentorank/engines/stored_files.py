"""Whether a model's files are whole: neither Git LFS pointers, nor cut off, nor left behind by a download."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"

# A safetensors file begins with the length of its header, which describes all that follows.
_LENGTH_BYTES: Final = 8
_MOST_HEADER_BYTES: Final = 100_000_000  # the format's own limit

_SHARD_INDEX: Final = "model.safetensors.index.json"

# One of these holds the vocabulary, whatever the kind of tokenizer.
_VOCABULARIES: Final = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever JSON the file holds
    """The file's content, or an empty object where there is no such file. Raises ConfigurationError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    _refuse_pointer(path.name, content)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"the model's {path.name} is not JSON: it may have been cut off") from error


def refuse_pointer(path: Path) -> None:
    """Raises ConfigurationError where `path` holds what Git LFS has in place of the file."""
    with path.open("rb") as file:
        _refuse_pointer(path.name, file.read(len(LFS_POINTER)))


def _refuse_pointer(name: str, content: bytes) -> None:
    if content.startswith(LFS_POINTER):
        raise ConfigurationError(
            f"the model's {name} is a Git LFS pointer and not the file: run `git lfs pull` in the model's folder"
        )


def require_tokenizer(name: str, folder: Path) -> None:
    """Raises ConfigurationError where there is no vocabulary: transformers would then read every word as unknown."""
    found = [file for pattern in _VOCABULARIES for file in folder.glob(pattern)]
    if not found:
        raise ConfigurationError(f"the model {name} has no tokenizer: no tokenizer.json and no vocabulary is there")
    for file in found:
        refuse_pointer(file)
    names = {file.name for file in found}
    if names == {"vocab.json"} and not (folder / "merges.txt").exists():
        raise ConfigurationError(f"the model {name} has half of a tokenizer: vocab.json without merges.txt")


def weight_shapes(name: str, folder: Path) -> dict[str, list[int]]:
    """The shape of every tensor in the folder's safetensors, told without reading one of them.

    Raises ConfigurationError for a file that is missing, cut off or something else.
    """
    shards = _shards(name, folder)
    shapes = {tensor: shape for file in _weight_files(name, folder, shards) for tensor, shape in _header(file).items()}
    lost = [tensor for tensor in shards if tensor not in shapes]
    if lost:
        raise ConfigurationError(f"the model {name} lacks {name_some(lost)}, which {_SHARD_INDEX} names")
    return shapes


def count_weights(name: str, folder: Path) -> int:
    """Numbers in all tensors together. Raises as `weight_shapes` does."""
    return sum(math.prod(shape) for shape in weight_shapes(name, folder).values())


def _shards(name: str, folder: Path) -> dict[str, str]:
    """By tensor the file that has it, where weights are split."""
    if (folder / "model.safetensors").exists():
        return {}  # which transformers prefers
    index = read_json(folder / _SHARD_INDEX)
    if index and not isinstance(index.get("weight_map"), dict):
        raise ConfigurationError(f"the model {name} has a {_SHARD_INDEX} that maps no weights to files")
    return dict(index.get("weight_map", {}))


def _weight_files(name: str, folder: Path, shards: dict[str, str]) -> Iterator[Path]:
    for file in sorted(set(shards.values())) or ["model.safetensors"]:
        path = folder / Path(file).name
        if not path.exists():
            raise ConfigurationError(f"the model {name} lacks its weights in {path.name}: download it again")
        yield path


def _header(path: Path) -> dict[str, list[int]]:
    """Raises ConfigurationError unless the file is as long as its header says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(LFS_POINTER))
        _refuse_pointer(path.name, start)
        length = int.from_bytes(start[:_LENGTH_BYTES], "little")
        file.seek(_LENGTH_BYTES)
        header = _parse(path.name, file.read(length) if length <= _MOST_HEADER_BYTES else b"", length, size)
    try:
        tensors = {key: entry for key, entry in header.items() if key != "__metadata__"}
        ends = [entry["data_offsets"][1] for entry in tensors.values()]
        expected = _LENGTH_BYTES + length + max(ends, default=0)
        shapes = {key: [int(axis) for axis in entry["shape"]] for key, entry in tensors.items()}
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ConfigurationError(f"the model's {path.name} is no safetensors file") from error
    if size != expected:
        raise ConfigurationError(
            f"the model's {path.name} has {size:,} bytes, and its header says {expected:,}: download it again"
        )
    return shapes


def _parse(name: str, header: bytes, length: int, size: int) -> Any:  # noqa: ANN401 - whatever JSON it holds
    if size < _LENGTH_BYTES + length <= _MOST_HEADER_BYTES or size < _LENGTH_BYTES:
        raise ConfigurationError(f"the model's {name} was cut off after {size:,} bytes: download it again")
    try:
        return json.loads(header)
    except ValueError as error:
        raise ConfigurationError(f"the model's {name} is no safetensors file") from error


def name_some(names: list[str], most: int = 3) -> str:
    """The first of many names, and how many more there are."""
    named = ", ".join(sorted(names)[:most])
    return f"{named} and {len(names) - most} more" if len(names) > most else named
